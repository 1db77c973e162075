"""Target weights of rules, as matrices: rows for rules from a backtest and prices, and back."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.market import places_of, volatility_at
from cryptodask.trading.rules import (
    HOLD,
    MOMENTUM,
    RULE_COLUMNS,
    Rule,
    Weigh,
    check_weights,
    hold_and_stop,
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
    if not isinstance(rule, Rule):
        rows = rule_rows(table, market)
        weights = check_weights(rule(rows.copy()), rows, name_of(rule))
        _refuse_twice(rows[weights.notna()], name_of(rule))
        return _matrix(rows, weights, market, origins, fill=False)
    if rule.source == HOLD:
        return _held(market, origins, shared)
    if rule.size == "parity" and not shared:
        raise OptionError(f"rule {rule.text}: size=parity divides shared cash; give --shared")
    if rule.source == MOMENTUM:
        rows = momentum_rows(market, origins, rule.lookback)
    else:
        rows = rule_rows(_of_rule(rule, table), market)
    rows = rows.assign(annual=rows["volatility"] * np.sqrt(bars_a_year))
    targets = _matrix(rows, rule.weigh(rows, costs, shared), market, origins, fill=True)
    return hold_and_stop(targets, market.close, rule.hold, rule.stop)


def name_of(rule: Rule | Weigh) -> str:
    """Return a rule as it is written, or the name of a function.

    Parameters
    ----------
    rule : Rule or callable
    """
    return rule.text if isinstance(rule, Rule) else getattr(rule, "__name__", repr(rule))


def _of_rule(rule: Rule, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a rule's model and step."""
    models: Sequence[str] = table["model"].unique().tolist()
    rows = table[table["model"] == rule.source]
    if rows.empty:
        raise OptionError(
            f"rule {rule.text}: {rule.source} is not a model of the backtest; it has "
            f"{', '.join(models)}, and there are {MOMENTUM} and {HOLD}"
        )
    steps = rows["step"]
    step = rule.step or int(steps.max())
    if step > steps.max():
        raise OptionError(f"rule {rule.text}: step is beyond the horizon, {int(steps.max())}")
    return rows[steps == step]


def _refuse_twice(rows: pd.DataFrame, name: str) -> None:
    """Refuse a function that decides twice about a coin at one date."""
    twice = rows.duplicated(["coin", "cutoff"])
    if twice.any():
        row = rows[twice].iloc[0]
        raise OptionError(
            f"rule {name}: {row['coin']}: has two weights at {row['cutoff']}; give NaN in the rows "
            "of other models and steps"
        )


def _matrix(
    rows: pd.DataFrame, weights: "pd.Series[float]", market: Market, origins: DateArray, fill: bool
) -> FloatArray:
    """Return weights as a matrix; with ``fill``, coins with a bar and no row are sold."""
    targets = np.full(market.close.shape, np.nan)
    if fill:
        at = np.searchsorted(market.dates, origins)
        targets[at] = np.where(np.isfinite(market.close[at]), 0.0, np.nan)
    given = weights.notna()
    dates, columns = places_of(market, rows.loc[given, "coin"], rows.loc[given, "cutoff"])
    targets[dates, columns] = weights[given].to_numpy()
    return targets


def _held(market: Market, origins: DateArray, shared: bool) -> FloatArray:
    """Return weights that buy each coin at its first bar; of shared cash, those there at first."""
    targets = np.full(market.close.shape, np.nan)
    start = int(np.searchsorted(market.dates, origins.min()))
    known = np.isfinite(market.close[start:])
    if shared:
        targets[start, known[0]] = 1.0 / max(1, int(known[0].sum()))
        return targets
    coins = np.flatnonzero(known.any(axis=0))
    targets[start + known[:, coins].argmax(axis=0), coins] = 1.0
    return targets
