"""No look-ahead in rules: what is decided at a date must not depend on anything after it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cryptodask.errors import LookaheadError, OptionError
from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.rules import Rule, Weigh, read_rule
from cryptodask.trading.simulation import Market
from cryptodask.trading.targets import name_of, targets_of

SHARES = (0.25, 0.5, 0.75)
"""How far into the origins the dates are at which a rule is checked, unless they are given."""


def check_rule_lookahead(
    rule: str | Rule | Weigh,
    table: pd.DataFrame,
    market: Market,
    *,
    shared: bool = False,
    costs: float = 0.0,
    cutoffs: Sequence[np.datetime64] | None = None,
) -> int:
    """Check that a rule's targets up to a date do not depend on rows after it.

    The rule decides on all rows. Then it decides again on rows whose forecasts and prices after a
    date are others, are in another order, or are missing, and must give the same weights up to it.

    Parameters
    ----------
    rule : str, Rule or callable
    table : DataFrame
        Rows of a backtest.
    market : Market
        Prices from before the first origin to beyond the last.
    shared : bool
        Whether coins share cash.
    costs : float
        Of buying and selling, a share of the notional.
    cutoffs : sequence of datetime64, optional
        By default origins at a quarter, a half and three quarters of all.

    Returns
    -------
    int
        How many weights were compared, at all dates and in all changes.

    Raises
    ------
    LookaheadError
        A weight changed; it names rule, coin, date and both weights.
    OptionError
        The rule decided nothing up to any of the dates, so that nothing was checked.

    Examples
    --------
    >>> from cryptodask.trading.lookahead import check_rule_lookahead
    >>> check_rule_lookahead("ridge:top=5", table, market)    # doctest: +SKIP
    """
    checked = read_rule(rule) if isinstance(rule, str) else rule
    origins = np.unique(table["cutoff"].to_numpy().astype("datetime64[s]"))
    if cutoffs is None:
        cutoffs = [origins[int(share * (len(origins) - 1))] for share in SHARES]
    first = _decided(checked, table, market, origins, shared, costs)
    compared = 0
    for cutoff in cutoffs:
        end = int(np.searchsorted(market.dates, cutoff, side="right"))
        for change, rows, prices in _futures(table, market, cutoff):
            again = _decided(checked, rows, prices, origins, shared, costs)
            _compare(name_of(checked), first[:end], again[:end], market, cutoff, change)
            compared += int(np.isfinite(first[:end]).sum())
    if not compared:
        raise OptionError(
            f"rule {name_of(checked)}: decided nothing up to any of the dates, so that nothing was "
            "checked; give more origins, or later dates"
        )
    return compared


def _decided(
    rule: Rule | Weigh,
    table: pd.DataFrame,
    market: Market,
    origins: DateArray,
    shared: bool,
    costs: float,
) -> FloatArray:
    present = origins[np.isin(origins, table["cutoff"].to_numpy().astype("datetime64[s]"))]
    return targets_of(rule, table, market, present, costs=costs, shared=shared, bars_a_year=365.0)


def _futures(
    table: pd.DataFrame, market: Market, cutoff: np.datetime64
) -> list[tuple[str, pd.DataFrame, Market]]:
    """Return what changes after a date, and rows and prices with that change."""
    later = (table["cutoff"] > pd.Timestamp(cutoff)).to_numpy()
    end = int(np.searchsorted(market.dates, cutoff, side="right"))
    bounds = [str(name) for name in table if str(name).startswith(("lower", "upper"))]
    prices = ["forecast", "last", *bounds]
    factor = np.where(later, np.linspace(0.2, 3.0, len(table)), 1.0)
    # Of another level, and with other returns.
    level = table.assign(
        **{name: table[name] * (factor if name == "last" else factor**2) for name in prices}
    )
    turned = table.copy()
    turned.loc[later, prices] = table.loc[later, prices].to_numpy()[::-1]
    after = market.close[end:]
    rising = after * np.linspace(1.5, 5.0, len(after))[:, None]
    futures = [
        ("the level of forecasts and prices", level, _joined(market, end, rising)),
        ("the order of forecasts and prices", turned, _joined(market, end, after[::-1])),
        ("which rows there are", table[~later], _joined(market, end, np.full_like(after, np.nan))),
    ]
    return [future for future in futures if len(future[1])]


def _joined(market: Market, end: int, later: FloatArray) -> Market:
    """Return a market with other closes from a date on."""
    return replace(market, close=np.vstack([market.close[:end], later]))


def _compare(
    name: str,
    first: FloatArray,
    again: FloatArray,
    market: Market,
    cutoff: np.datetime64,
    change: str,
) -> None:
    """Raise if two matrices of weights differ."""
    differs = ~((first == again) | (np.isnan(first) & np.isnan(again)))
    if not differs.any():
        return
    date, coin = np.argwhere(differs)[0]
    raise LookaheadError(
        f"{market.coins[coin]}: rule {name} gave a weight of {first[date, coin]:.12g} at "
        f"{market.dates[date]} and then {again[date, coin]:.12g}, though only {change} after "
        f"{cutoff} changed; decide on rows up to each cutoff alone"
    )
