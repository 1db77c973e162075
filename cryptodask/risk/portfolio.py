"""Weights of a portfolio, and its risk over simulated paths."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError, UnknownCoinError
from cryptodask.prices.names import CoinNames
from cryptodask.records import CoinFailure, FloatArray
from cryptodask.risk.distribution import MoveDistribution
from cryptodask.risk.options import EQUAL
from cryptodask.risk.paths import Simulator
from cryptodask.text import shown_date

PORTFOLIO = "portfolio"
"""What failures of coins are of that are not in a portfolio of equal weights."""


@dataclass(frozen=True)
class Portfolio:
    """Weights by coin; None of equal weights of all that can be held together."""

    weights: Mapping[str, float] | None

    @property
    def total(self) -> float | None:
        """Sum of the weights, by which they are divided; None of equal ones."""
        return None if self.weights is None else math.fsum(self.weights.values())

    def held(
        self, moves: MoveDistribution, failures: Sequence[CoinFailure]
    ) -> tuple[dict[str, float], list[CoinFailure]]:
        """Return the shares of coins that end on one date, 1 together, and coins left out.

        Parameters
        ----------
        moves : MoveDistribution
        failures : sequence of CoinFailure
            Coins that can't be measured.

        Raises
        ------
        InputError
            A coin of given weights can't be measured, or ended before the others.
        """
        place = {coin: i for i, coin in enumerate(moves.coins)}
        if self.weights is None:
            dates, counts = np.unique(moves.cutoffs, return_counts=True)
            usual = dates[::-1][np.argmax(counts[::-1])]
            held = [coin for coin, i in place.items() if moves.cutoffs[i] == usual]
            others = [
                CoinFailure.of(coin, PORTFOLIO, InputError(
                    f"{coin}: not in the portfolio: its last row is of {_day(moves.cutoffs[i])}, "
                    f"and that of most coins of {_day(usual)}; --to a day that all have keeps it"
                )) for coin, i in place.items() if moves.cutoffs[i] != usual
            ]  # fmt: skip
            return dict.fromkeys(held, 1.0 / len(held)), others
        reasons = {failure.coin: failure.message for failure in failures}
        for coin in self.weights:
            if coin not in place:
                reason = reasons.get(coin, "it is not among the coins asked for")
                raise InputError(f"weights: {coin} can't be in the portfolio: {reason}")
        last = max(moves.cutoffs[place[coin]] for coin in self.weights)
        for coin in self.weights:
            if moves.cutoffs[place[coin]] != last:
                raise InputError(
                    f"weights: the last row of {coin} is of {_day(moves.cutoffs[place[coin]])}, "
                    f"and others have rows to {_day(last)}; leave it out, or give --to a day "
                    "that all have"
                )
        total = math.fsum(self.weights.values())
        return {coin: self.weights[coin] / total for coin in sorted(self.weights)}, []


def _day(date: np.datetime64) -> str:
    return shown_date(pd.Timestamp(date))


def choose_portfolio(given: str | Mapping[str, float] | None, names: CoinNames) -> Portfolio | None:
    """Return the portfolio of a file, of weights by coin, or of equal weights.

    Parameters
    ----------
    given : str, mapping of str to float, or None
        See `cryptodask.risk.options.RiskOptions`.
    names : CoinNames
        Those of the source.

    Raises
    ------
    OptionError
        Weights are no finite numbers, or their sum is not above 0, or a coin is there twice.
    UnknownCoinError
        The source has no coin of that name.
    InputError
        The file can't be read.
    """
    if given is None:
        return None
    if isinstance(given, str) and given == EQUAL:
        return Portfolio(None)
    rows: Iterator[tuple[str, str, str | float]]
    if isinstance(given, Mapping):
        rows = iter([(f"weights: {coin}", coin, weight) for coin, weight in given.items()])
    elif isinstance(given, str):
        rows = iter([*_file_rows(given)])
    else:
        raise OptionError(
            "weights: must be the path of a .csv of coin,weight, or equal, or weights by coin, as "
            f"{{'Bitcoin': 0.6}}, got {type(given).__name__}"
        )
    weights: dict[str, float] = {}
    for where, name, value in rows:
        try:
            weight = float(value)
        except (TypeError, ValueError):
            weight = math.nan
        if not math.isfinite(weight):
            raise OptionError(f"{where}: a weight must be a finite number, got {value!r}")
        try:
            coin = names.check(name)
        except UnknownCoinError as error:
            raise UnknownCoinError(f"{where}: {error}") from None
        if coin in weights:
            raise OptionError(f"{where}: {coin} is there twice; add up its weights")
        weights[coin] = weight
    total = math.fsum(weights.values())
    if not total > 0:
        raise OptionError(
            f"weights: must add up to more than 0, as they are divided by their sum, got {total:g} "
            f"of {len(weights)} coins"
        )
    return Portfolio(weights)


def _file_rows(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, coin and weight of each row of a file."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"weights: {path} can't be read ({error}); give a .csv of coin,weight, or equal"
        ) from error
    reader = csv.reader(text.splitlines())
    header = [cell.strip().lower() for cell in next(reader, [])]
    if header != ["coin", "weight"]:
        raise InputError(f"weights: {path}, line 1: must be coin,weight, got {','.join(header)!r}")
    for row in reader:
        if not row:
            continue
        where = f"weights: {path}, line {reader.line_num}"
        if len(row) != len(header):
            raise InputError(f"{where}: must be a coin and a weight, got {','.join(row)!r}")
        yield where, row[0].strip(), row[1].strip()


def portfolio_table(
    simulator: Simulator,
    held: Mapping[str, float],
    steps: Sequence[int],
    tails: Sequence[float],
    bars_a_year: float,
) -> pd.DataFrame:
    """Return the risk of a portfolio over simulated paths, a row a step.

    Parameters
    ----------
    simulator : Simulator
    held : mapping of str to float
        Shares of the value, 1 together, of coins that end on one date.
    steps : sequence of int
        Bars ahead.
    tails : sequence of float
        Percent.
    bars_a_year : float

    Returns
    -------
    DataFrame
        See `cryptodask.risk.api.Risk`.
    """
    place = {coin: i for i, coin in enumerate(simulator.moves.coins)}
    coins = np.array([place[coin] for coin in held], dtype=np.int64)
    values, logs = simulator.portfolio(coins, np.array(list(held.values())), steps)
    cutoff, dates = simulator.moves.cutoffs[coins[0]], simulator.moves.dates[coins[0]]
    rows = []
    deviations = logs.std(axis=1) * np.sqrt(bars_a_year / np.asarray(steps))
    for step, of_step, volatility in zip(steps, values, deviations.tolist(), strict=True):
        value = np.sort(of_step)
        row = {
            "coins": len(held), "cutoff": cutoff, "date": dates[step - 1], "step": step,
            "volatility": volatility,
        }  # fmt: skip
        for tail in tails:
            row[f"var_{tail:g}"], row[f"es_{tail:g}"] = tail_losses(value, tail / 100.0)
        rows.append(row)
    return pd.DataFrame(rows).astype({"cutoff": "datetime64[s]", "date": "datetime64[s]"})


def tail_losses(values: FloatArray, tail: float) -> tuple[float, float]:
    """Return value at risk and expected shortfall of a sample.

    Parameters
    ----------
    values : ndarray of float64, ``(n_paths,)``
        Over the value now, rising.
    tail : float
        Share of the paths.

    Returns
    -------
    value_at_risk, shortfall : float
        Shares of the value now: above 0 is a loss.
    """
    size = tail * len(values)
    inside = int(size)
    # The last path of the tail counts by the part of it that is inside.
    total = values[:inside].sum() + (size - inside) * values[min(inside, len(values) - 1)]
    return 1.0 - float(np.quantile(values, tail)), 1.0 - float(total / size)
