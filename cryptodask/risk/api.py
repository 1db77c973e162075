"""`measure_risk`: what may happen to coins, and to a portfolio of them, within a horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import NoPricesError, OptionError
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.sources import Prices as PriceSource
from cryptodask.records import YEAR, FloatArray, IntArray
from cryptodask.results.failures import failure_table
from cryptodask.results.shown import ShowsFacts, span_of
from cryptodask.risk.distribution import (
    MoveDistribution,
    all_levels,
    deviation,
    share_above,
    shortfall,
)
from cryptodask.risk.estimate import NAME, Prices, estimate
from cryptodask.risk.fitted import fitted_volatility
from cryptodask.risk.options import SPREADS, RiskOptions
from cryptodask.risk.paths import Simulator
from cryptodask.risk.portfolio import choose_portfolio, portfolio_table
from cryptodask.runs.session import Session
from cryptodask.text import counted

CHUNK = 640
"""Coins by steps whose distributions are in memory at once."""


@dataclass(frozen=True, repr=False)
class Risk(ShowsFacts):
    """What may happen to coins within a horizon.

    Attributes
    ----------
    options : RiskOptions
        What was asked.
    coins : DataFrame
        ``coin, cutoff, date, step, last, volatility``, then ``lower_L, upper_L`` of each level,
        ``var_T, es_T`` of each tail. ``volatility`` is a year's: the standard deviation of the log
        return up to the step, over the root of the step, times the root of the bars in 365 days;
        winsorised at `cryptodask.risk.distribution.FAR`.
        Bounds are prices in the quote currency. Value at risk and expected shortfall are of a long
        position, shares of the last close: above 0 is a loss.
    probabilities : DataFrame
        ``coin, cutoff, date, step, event, price, probability``: of a close above or below a price,
        0 to 1.
    portfolio : DataFrame or None
        ``coins, cutoff, date, step, volatility, var_T, es_T``, of the value of the portfolio; its
        volatility is that of the coins' log returns by weight.
    weights : DataFrame or None
        ``coin, weight``, of the portfolio, 1 together.
    failures : DataFrame
        ``coin, model, exception, message`` of coins that were left out: of all (model ``risk``),
        of the portfolio, or of the fitted volatility.
    lost : DataFrame
        Findings of rows that could not be read; see `cryptodask.prices.clean.findings`.
    evidence : tuple of int
        Past moves of one bar that all this is made from, and of how many coins at most.
    simulator : Simulator or None
        Of paths, if there is a portfolio or paths were asked for.
    weights_sum : float or None
        Sum of the weights as they were given, by which they were divided; None of equal ones.
    """

    options: RiskOptions
    coins: pd.DataFrame
    probabilities: pd.DataFrame
    portfolio: pd.DataFrame | None
    weights: pd.DataFrame | None
    failures: pd.DataFrame
    lost: pd.DataFrame
    evidence: tuple[int, int]
    simulator: Simulator | None = None
    weights_sum: float | None = None

    def _facts(self) -> dict[str, object]:
        """Return what is in it."""
        moves, coins = self.evidence
        held = None if self.weights is None else counted(len(self.weights), "coin")
        return {
            "coins": f"{self.coins['coin'].nunique():,}",
            "cutoffs": span_of(self.coins["cutoff"]),
            "horizon": counted(self.options.horizon, "bar"),
            "probabilities": f"{len(self.probabilities):,}" if len(self.probabilities) else None,
            "portfolio": held,
            "made from": f"{counted(moves, 'past move')} of at most {counted(coins, 'coin')}",
            "failures": f"{len(self.failures):,}",
            "rows lost": f"{len(self.lost):,}" if len(self.lost) else None,
        }

    @property
    def is_complete(self) -> bool:
        """Whether no coin was left out and no row was lost."""
        return self.failures.empty and self.lost.empty


def measure_risk(
    source: CryptoLoader | PriceSource,
    *,
    keep_paths: bool = False,
    **options: Any,
) -> Risk:
    """Measure what may happen to coins within a horizon, from what is known at their last rows.

    The forecast is that of naive, the last close; how far the close may be from it is what its
    intervals say (``cryptodask forecast --model naive --intervals``). All runs in this process.

    Parameters
    ----------
    source : CryptoLoader, path or frame
        Where the prices are.
    keep_paths : bool
        Whether ``simulator`` is there though a portfolio is missing.
    **options
        Fields of `cryptodask.risk.RiskOptions`, as ``horizon=10`` bars, ``levels=(50, 99)``
        percent, ``weights={"Bitcoin": 0.6, "Ethereum": 0.4}``.

    Returns
    -------
    Risk

    Raises
    ------
    OptionError
        An option makes no sense.
    UnknownCoinError
        The source has no coin of that name.
    InputError
        No coin can be measured, or one of the portfolio can't.

    Examples
    --------
    >>> from cryptodask.risk import measure_risk
    >>> measure_risk("data", horizon=1, above="10%").probabilities       # doctest: +SKIP
    """
    wanted = RiskOptions(**options)
    loader = source if isinstance(source, CryptoLoader) else CryptoLoader(source, wanted.partitions)
    names, failures = Session(loader).choose_coins(wanted.coins, [NAME])
    if not names:
        raise NoPricesError(failures[0].message)
    events = _named_events(wanted, loader, names)
    portfolio = choose_portfolio(wanted.weights, loader.names)
    row_filter = RowFilter.of(None, None, wanted.to_date, None, loader.freq)
    prices = Prices(loader, names, row_filter)
    levels = all_levels([*wanted.bounds.values(), *(tail / 100.0 for tail in wanted.tail)])
    with_paths = keep_paths or portfolio is not None
    known = estimate(prices, wanted.horizon, levels, with_paths)
    failures += known.failures
    moves = known.moves
    volatility = None
    if wanted.volatility != SPREADS:
        volatility, unfitted = fitted_volatility(prices, moves, wanted.volatility)
        failures += unfitted
    coins, probabilities = _coin_tables(moves, wanted, events, volatility)
    simulator = None
    if with_paths:
        simulator = Simulator.of(
            moves, known.residual_dates, known.residuals, wanted.paths, wanted.seed
        )
    table = weights = None
    if portfolio is not None:
        assert simulator is not None
        held, left_out = portfolio.held(moves, failures)
        failures += left_out
        table = portfolio_table(simulator, held, wanted.steps, wanted.tail, bars_a_year(moves))
        weights = pd.DataFrame({"coin": list(held), "weight": list(held.values())})
    lost = known.lost if len(known.lost) else empty_findings()
    return Risk(
        wanted, coins, probabilities, table, weights, failure_table(failures), lost,
        known.evidence, simulator, None if portfolio is None else portfolio.total,
    )  # fmt: skip


def _named_events(
    wanted: RiskOptions, loader: CryptoLoader, names: Sequence[str]
) -> list[tuple[Any, str | None]]:
    """Return each event and its coin as prices name it; refuse one of a coin not asked for."""
    events = [(event, loader.names.check(event.coin) if event.coin else None)
              for event in wanted.events]  # fmt: skip
    for event, coin in events:
        if coin is not None and coin not in names:
            raise OptionError(
                f"{event.side}: {event.text!r}: {coin} is not among the coins asked for; leave it "
                "out, or ask for the coin"
            )
    return events


def bars_a_year(moves: MoveDistribution) -> float:
    """Return the bars in 365 days.

    Parameters
    ----------
    moves : MoveDistribution
    """
    return float(YEAR / moves.step)


def _coin_tables(
    moves: MoveDistribution,
    wanted: RiskOptions,
    events: Sequence[Any],
    volatility: FloatArray | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of coins and that of probabilities."""
    shape = len(moves.coins), moves.horizon
    figures: dict[str, FloatArray] = {"volatility": np.empty(shape)}
    figures |= {name: moves.prices(level) for name, level in wanted.bounds.items()}
    for tail in wanted.tail:
        figures |= {f"var_{tail:g}": np.empty(shape), f"es_{tail:g}": np.empty(shape)}
    rows: list[list[Any]] = []
    ahead = np.arange(1, moves.horizon + 1)
    dates = moves.dates
    chunk = max(1, CHUNK // moves.horizon)
    for start in range(0, len(moves.coins), chunk):
        part = slice(start, start + chunk)
        growths = moves.growths(part)
        a_year = np.sqrt(bars_a_year(moves) / ahead)
        figures["volatility"][part] = deviation(np.log(growths), moves.levels) * a_year
        for tail in wanted.tail:
            place = moves.place(tail / 100.0)
            figures[f"var_{tail:g}"][part] = 1.0 - growths[..., place]
            figures[f"es_{tail:g}"][part] = shortfall(growths, moves.levels, place)
        for i, of_coin in enumerate(growths, start):
            rows += _probabilities(moves, i, of_coin, wanted.steps, events, dates)
    if volatility is not None:
        figures["volatility"] = volatility
    columns = ["coin", "cutoff", "date", "step", "event", "price", "probability"]
    kinds: Mapping[str, str] = {
        "coin": "str", "event": "str", "cutoff": "datetime64[s]", "date": "datetime64[s]",
        "step": "int64", "price": "float64", "probability": "float64",
    }  # fmt: skip
    chances = pd.DataFrame(rows, columns=columns).astype(dict(kinds))
    return _coin_frame(moves, np.array(wanted.steps), figures), chances


def _coin_frame(
    moves: MoveDistribution, steps: IntArray, figures: Mapping[str, FloatArray]
) -> pd.DataFrame:
    """Return figures ``(n_coins, horizon)`` as a row a coin and step."""
    n_coins, dates = len(moves.coins), moves.dates
    repeated = np.repeat(np.arange(n_coins), len(steps))
    return pd.DataFrame(
        {
            "coin": pd.array(np.array(moves.coins, dtype=object)[repeated], dtype="str"),
            "cutoff": moves.cutoffs[repeated],
            "date": dates[:, steps - 1].ravel(),
            "step": np.tile(steps, n_coins),
            "last": moves.closes[repeated],
            **{name: values[:, steps - 1].ravel() for name, values in figures.items()},
        }
    )


def _probabilities(
    moves: MoveDistribution,
    coin: int,
    growths: FloatArray,
    steps: Sequence[int],
    events: Sequence[Any],
    dates: Any,
) -> list[list[Any]]:
    """Return the rows of one coin in the table of probabilities."""
    rows: list[list[Any]] = []
    close = float(moves.closes[coin])
    for event, name in events:
        if name not in (None, moves.coins[coin]):
            continue
        price = event.value if name else close * (1.0 + event.value)
        for step in steps:
            above = share_above(growths[step - 1], moves.levels, price / close)
            rows.append([
                moves.coins[coin], moves.cutoffs[coin], dates[coin, step - 1], step,
                f"{event.side} {event.text.rpartition('=')[2]}", price,
                above if event.side == "above" else 1.0 - above,
            ])  # fmt: skip
    return rows
