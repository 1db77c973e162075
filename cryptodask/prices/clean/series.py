"""What is odd in clean series, bar by bar, and what can be done about it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.clean.gaps import bars_since
from cryptodask.prices.clean.policies import Policies, action_of
from cryptodask.prices.freq import DAILY, bars

STALE_ROWS = 5
"""Rows of equal closes from which on a run is reported."""

ROBUST_SIGMAS, SMALLEST_MOVE = 10.0, float(np.log(1.5))
"""A bar's log return is a large move beyond so many robust standard deviations of the coin's
returns (1.4826 times their median absolute deviation), and never within a factor of 1.5."""

Mask = NDArray[np.bool_]


def describe_series(
    prices: pd.DataFrame, now: date | None = None, freq: str = DAILY
) -> pd.DataFrame:
    """Find what is odd in clean rows: gaps, runs of equal closes, moves, prices that disagree.

    Parameters
    ----------
    prices : DataFrame
        By coin and date, with columns ``file`` and ``line``.
    now : date or datetime, optional
        Bars that begin after it are in the future; by default the present moment in UTC.
    freq : str
        Of the bars.
    """
    return join_findings([tell_gaps(prices, freq), *(told for _, told in _odd(prices, now, freq))])


def settle_series(
    prices: pd.DataFrame, policies: Policies, freq: str, now: date | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find what is odd in clean rows, and drop and repair rows as policies say.

    Gaps are those that are left at the end. The parameters are those of
    `cryptodask.prices.clean.cleaning.clean_rows`.

    Returns
    -------
    prices, findings : DataFrame
    """
    found: list[pd.DataFrame] = []
    dropped = np.zeros(len(prices), dtype=bool)
    repaired = prices
    swaps = action_of(policies, "high_under_low") == "repair:swap"
    for where, told in _odd(prices, now, freq, swaps=swaps):
        if told.empty:
            continue
        found.append(told)
        action = action_of(policies, told["kind"].iloc[0])
        if action == "drop":
            dropped |= where
        elif action in REPAIRS:
            repaired = REPAIRS[action](repaired, where)
    left = repaired[~dropped].reset_index(drop=True) if dropped.any() else repaired
    return left, join_findings([tell_gaps(left, freq), *found])


def tell_gaps(prices: pd.DataFrame, freq: str = DAILY) -> pd.DataFrame:
    """Find where bars are missing between two rows of a coin.

    Parameters
    ----------
    prices : DataFrame
        ``coin, date, file, line``, by coin and date.
    freq : str
        Of the bars.
    """
    since = bars_since(prices, freq)
    after = np.flatnonzero(since > 1)
    missing = (since[after] - 1).astype(str)
    message = f"{bars(freq)} missing after this one"
    return findings("gap", prices.iloc[after - 1], value=missing, message=message)


def _odd(
    prices: pd.DataFrame, now: date | None, freq: str, *, swaps: bool = False
) -> list[tuple[Mask, pd.DataFrame]]:
    """Return what is odd, kind by kind: the rows that a repair or a drop is about, and findings.

    ``swaps`` says that a high under its low is to be swapped with it, before anything else.
    """
    since = bars_since(prices, freq)
    close = prices["close"].to_numpy()
    fresh = since == 0  # the first of its coin
    fresh[1:] |= close[1:] != close[:-1]
    starts = np.flatnonzero(fresh)
    runs = np.diff(np.append(starts, len(close)))
    long = runs >= STALE_ROWS
    stale = findings(
        "stale_run",
        prices.iloc[starts[long]],
        value=runs[long].astype(str),
        message="equal closes from here on",
    )
    future = (
        prices["date"] > pd.Timestamp(now or datetime.now(UTC).replace(tzinfo=None))
    ).to_numpy()
    zero = (prices["volume"] == 0).to_numpy()
    return [
        (np.repeat(long, runs) & ~fresh, stale),
        (zero, findings("zero_volume", prices[zero], value="0")),
        (future, findings("future_date", prices[future])),
        *_tell_disagreements(prices, swaps=swaps),
        *_tell_moves(prices, since == 1),
    ]


def _tell_disagreements(prices: pd.DataFrame, *, swaps: bool) -> list[tuple[Mask, pd.DataFrame]]:
    """Report rows whose prices can't all be of the same bar."""
    low, high = prices["low"].to_numpy(), prices["high"].to_numpy()
    upside_down = high < low
    told = findings(
        "high_under_low",
        prices[upside_down],
        value=[f"{v:.10g}" for v in high[upside_down]],
        message=[f"low is {v:.10g}" for v in low[upside_down]],
    )
    found = [(upside_down, told)]
    if swaps:
        low, high = np.where(upside_down, high, low), np.where(upside_down, low, high)
    for name in ("open", "close"):
        values = prices[name].to_numpy()
        outside = ~(high < low) & ((values > high) | (values < low))
        ends = zip(low[outside], high[outside], strict=True)
        told = findings(
            "outside_range",
            prices[outside],
            value=[f"{v:.10g}" for v in values[outside]],
            message=[f"{name}; low to high is {a:.10g} to {b:.10g}" for a, b in ends],
        )
        found.append((outside, told))
    return found


def _tell_moves(prices: pd.DataFrame, next_bar: Mask) -> list[tuple[Mask, pd.DataFrame]]:
    """Report closes that moved too far in a bar, and of these the jumps that were undone."""
    log_close = np.log(prices["close"].to_numpy())
    moves = np.where(next_bar, np.diff(log_close, prepend=np.nan), np.nan)
    by_coin = pd.Series(moves).groupby(prices["coin"].to_numpy())
    off = pd.Series(np.abs(moves - by_coin.transform("median").to_numpy()))
    scale = 1.4826 * off.groupby(prices["coin"].to_numpy()).transform("median").to_numpy()
    large = np.abs(moves) > np.fmax(ROBUST_SIGMAS * scale, SMALLEST_MOVE)
    after = np.append(moves[1:], np.nan)[: len(moves)]
    undone = large & (np.abs(moves + after) < 0.2 * np.abs(moves))
    # The way back is told with the jump, and is none itself: of jumps in a row every other one is.
    at = np.arange(len(undone))
    undone &= (at - np.maximum.accumulate(np.where(undone, -1, at))) % 2 == 1
    back = np.append(False, undone[:-1])[: len(moves)]
    found = []
    for kind, where, message in (
        ("large_move", large & ~undone & ~back, ""),
        ("reverting_jump", undone, "undone by the next bar"),
    ):
        size = [f"{move:+.0%}" for move in np.expm1(moves[where])]
        found.append((where, findings(kind, prices[where], value=size, message=message)))
    return found


def _swap(prices: pd.DataFrame, where: Mask) -> pd.DataFrame:
    low, high = prices["low"], prices["high"]
    return prices.assign(low=low.mask(where, high), high=high.mask(where, low))


def _widen(prices: pd.DataFrame, where: Mask) -> pd.DataFrame:
    ends = prices[["open", "low", "high", "close"]]
    low, high = prices["low"], prices["high"]
    return prices.assign(  # one that is missing stays so
        low=low.mask(where & low.notna(), ends.min(axis=1)),
        high=high.mask(where & high.notna(), ends.max(axis=1)),
    )


def _between(prices: pd.DataFrame, where: Mask) -> pd.DataFrame:
    """Set closes to the geometric mean of those before and after; a jump has both."""
    log_close = np.log(prices["close"].to_numpy())
    middle = np.exp((np.append(np.nan, log_close[:-1]) + np.append(log_close[1:], np.nan)) / 2)
    unknown = {name: prices[name].mask(where) for name in ("open", "high", "low")}
    return prices.assign(close=prices["close"].mask(where, middle), **unknown)


def _no_volume(prices: pd.DataFrame, where: Mask) -> pd.DataFrame:
    return prices.assign(volume=prices["volume"].mask(where))


REPAIRS: Mapping[str, Callable[[pd.DataFrame, Mask], pd.DataFrame]] = {
    "repair:swap": _swap,
    "repair:widen": _widen,
    "repair:between": _between,
    "repair:missing": _no_volume,
}
"""How rows of clean series are repaired; what is repaired in reading them is not among these."""
