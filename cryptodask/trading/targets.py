"""Target weights of rules, as matrices: rows for rules from a backtest and prices, and back."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.holding import held_targets, hold_and_stop
from cryptodask.trading.market import places_of, volatility_at
from cryptodask.trading.rules import (
    HOLD,
    MOMENTUM,
    RULE_COLUMNS,
    Rule,
    Weigh,
    check_weights,
    rising_probability,
)
from cryptodask.trading.simulation import Market


def rule_rows(table: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Return what rules see of a backtest; see `cryptodask.trading.rules.RULE_COLUMNS`.

    Parameters
    ----------
    table : DataFrame
        Rows of a backtest, with or without what came after.
    market : Market
        From before the first origin on.
    """
    rows = table[table["forecast"].notna()].reset_index(drop=True)
    rows = rows.assign(
        **{"return": rows["forecast"] / rows["last"] - 1, "probability": rising_probability(rows)}
    )
    return _with_volatility(rows, market)


def momentum_rows(market: Market, origins: DateArray, lookback: int) -> pd.DataFrame:
    """Return what rules see of past closes.

    Parameters
    ----------
    market : Market
        Of ``n_coins``.
    origins : ndarray of datetime64, ``(n_origins,)``
    lookback : int
        Bars.

    Returns
    -------
    DataFrame
        See `cryptodask.trading.rules.RULE_COLUMNS`; a row for each origin and coin that has a bar
        on it and one that long before.
    """
    frames = []
    for date in np.searchsorted(market.dates, origins):
        if date < lookback:
            continue
        now, before = market.close[date], market.close[date - lookback]
        known = np.isfinite(now) & np.isfinite(before)
        frames.append(
            pd.DataFrame(
                {
                    "coin": np.array(market.coins, dtype=object)[known],
                    "cutoff": market.dates[date],
                    "last": now[known],
                    "forecast": now[known],
                    "return": now[known] / before[known] - 1,
                }
            )
        )
    if not frames:
        raise OptionError(
            f"lookback: no origin has {lookback} bars of prices before it; give a shorter one"
        )
    rows = pd.concat(frames, ignore_index=True)
    return _with_volatility(rows.assign(model=MOMENTUM, step=0, probability=np.nan), market)


def _with_volatility(rows: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Return rows with the volatility of their coins at their cutoffs."""
    dates, columns = places_of(market, rows["coin"], rows["cutoff"])
    known = np.full(len(rows), np.nan)
    for date in np.unique(dates):
        here = dates == date
        known[here] = volatility_at(market, date)[columns[here]]
    return rows.assign(volatility=known)[list(RULE_COLUMNS)]


class Evidence:
    """What rules see of some coins, derived once for all of them.

    Parameters
    ----------
    table : DataFrame
        Rows of a backtest.
    market : Market
        From before the first origin on.
    origins : ndarray of datetime64, ``(n_origins,)``
    bars_a_year : float
    """

    def __init__(
        self, table: pd.DataFrame, market: Market, origins: DateArray, bars_a_year: float
    ) -> None:
        self.market, self.origins = market, origins
        self._table, self._root = table, np.sqrt(bars_a_year)
        self._momentum: dict[int, pd.DataFrame] = {}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Of all models and steps; see `cryptodask.trading.rules.RULE_COLUMNS`."""
        return self._annual(rule_rows(self._table, self.market))

    def of(self, rule: Rule, horizon: int) -> pd.DataFrame:
        """Return what a rule looks at, with ``annual``: volatility a year.

        Parameters
        ----------
        rule : Rule
            Of a model or of momentum.
        horizon : int
            The step at which it looks, unless it says.
        """
        if rule.source == MOMENTUM:
            if rule.lookback not in self._momentum:
                rows = momentum_rows(self.market, self.origins, rule.lookback)
                self._momentum[rule.lookback] = self._annual(rows)
            return self._momentum[rule.lookback]
        step = rule.step or horizon
        return self.rows[(self.rows["model"] == rule.source) & (self.rows["step"] == step)]

    def _annual(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(annual=rows["volatility"] * self._root)


def targets_of(
    rule: Rule | Weigh,
    table: pd.DataFrame,
    market: Market,
    origins: DateArray,
    *,
    costs: float,
    shared: bool,
    bars_a_year: float,
) -> FloatArray:
    """Return the target weights of a rule at each date of a market.

    Parameters
    ----------
    rule : Rule or callable
    table : DataFrame
        Rows of a backtest.
    market : Market
        From before the first origin on.
    origins : ndarray of datetime64, ``(n_origins,)``
    costs : float
        Of buying and selling, a share of the notional.
    shared : bool
        Whether coins share cash.
    bars_a_year : float

    Returns
    -------
    ndarray of float64, ``(n_dates, n_coins)``
        Shares of the equity; NaN where nothing is decided.

    Raises
    ------
    OptionError
        The backtest has no such model or step, a function does not give a weight a row, or
        ``size=parity`` is asked for without shared cash.
    """
    evidence = Evidence(table, market, origins, bars_a_year)
    if not isinstance(rule, Rule):
        return matrix_of(None, weights_of(rule, evidence.rows), market, origins)
    if rule.source == HOLD:
        return held_targets(market, origins, shared)
    models = table["model"].unique().tolist()
    steps = table.loc[table["model"] == rule.source, "step"]
    horizon = int(steps.max()) if len(steps) else 0
    check_rule(rule, models, horizon, shared)
    weights = rule.divide(rule.choose(evidence.of(rule, horizon), costs), shared)
    return matrix_of(rule, weights, market, origins)


def check_rule(rule: Rule, models: Sequence[str], horizon: int, shared: bool) -> None:
    """Check that a backtest has what a rule looks at.

    Parameters
    ----------
    rule : Rule
    models : sequence of str
        Of the backtest.
    horizon : int
        Of the backtest, bars.
    shared : bool
        Whether coins share cash.

    Raises
    ------
    OptionError
        It has not, or the rule divides cash that is not shared.
    """
    if rule.size == "parity" and not shared:
        raise OptionError(f"rule {rule.text}: size=parity divides shared cash; give --shared")
    if rule.source in (MOMENTUM, HOLD):
        return
    if rule.source not in models:
        raise OptionError(
            f"rule {rule.text}: {rule.source} is not a model of the backtest; it has "
            f"{', '.join(models)}, and there are {MOMENTUM} and {HOLD}"
        )
    if rule.step is not None and rule.step > horizon:
        raise OptionError(f"rule {rule.text}: step is beyond the horizon, {horizon}")


def name_of(rule: Rule | Weigh) -> str:
    """Return a rule as it is written, or the name of a function.

    Parameters
    ----------
    rule : Rule or callable
    """
    return rule.text if isinstance(rule, Rule) else getattr(rule, "__name__", repr(rule))


def weights_of(rule: Weigh, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a user's function decides: ``coin, cutoff, weight``, a row a decision.

    Parameters
    ----------
    rule : callable
    rows : DataFrame
        `cryptodask.trading.rules.RULE_COLUMNS` of all coins.

    Raises
    ------
    OptionError
        It gives something other than a weight a row, or two of a coin at one date.
    """
    rows = rows[list(RULE_COLUMNS)]
    weights = check_weights(rule(rows.copy()), rows, name_of(rule))
    decided = rows[["coin", "cutoff"]].assign(weight=weights)[weights.notna()]
    _refuse_twice(decided, name_of(rule))
    return decided


def _refuse_twice(rows: pd.DataFrame, name: str) -> None:
    """Refuse a function that decides twice about a coin at one date."""
    twice = rows.duplicated(["coin", "cutoff"])
    if twice.any():
        row = rows[twice].iloc[0]
        raise OptionError(
            f"rule {name}: {row['coin']}: has two weights at {row['cutoff']}; give NaN in the rows "
            "of other models and steps"
        )


def matrix_of(
    rule: Rule | None, weights: pd.DataFrame, market: Market, origins: DateArray
) -> FloatArray:
    """Return decisions as a matrix.

    Parameters
    ----------
    rule : Rule or None
        A rule sells coins that have a bar at an origin and no weight there, keeps positions and
        stops losses. None: what is not decided is left, as by functions.
    weights : DataFrame
        ``coin, cutoff, weight`` of coins of the market.
    market : Market
    origins : ndarray of datetime64, ``(n_origins,)``

    Returns
    -------
    ndarray of float64, ``(n_dates, n_coins)``
        Shares of the equity; NaN where nothing is decided.
    """
    targets = np.full(market.close.shape, np.nan)
    if rule is not None:
        at = np.searchsorted(market.dates, origins)
        targets[at] = np.where(np.isfinite(market.close[at]), 0.0, np.nan)
    dates, columns = places_of(market, weights["coin"], weights["cutoff"])
    targets[dates, columns] = weights["weight"].to_numpy()
    if rule is not None:
        return hold_and_stop(targets, market.close, rule.hold, rule.stop)
    return targets
