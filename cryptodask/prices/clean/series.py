"""What is odd in clean series, bar by bar, and how it is repaired."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.clean.gaps import bars_since
from cryptodask.prices.clean.policies import Policies, action_of
from cryptodask.prices.clean.units import hint_units
from cryptodask.prices.freq import DAILY, bars, step_of
from cryptodask.prices.schema import codes_of
from cryptodask.records import FloatArray

STALE_ROWS = 5
"""Rows of equal closes in a row from which on they are reported."""

ROBUST_SIGMAS, SMALLEST_MOVE = 10.0, float(np.log(1.5))
"""A bar's log return is a large move beyond `ROBUST_SIGMAS` robust standard deviations of the
coin's returns (1.4826 times their median absolute deviation), and never within a factor of 1.5."""

Mask = NDArray[np.bool_]


def describe_series(
    prices: pd.DataFrame, now: date | None = None, freq: str = DAILY
) -> pd.DataFrame:
    """Return findings in clean rows: gaps, equal closes, large moves, prices that disagree.

    Parameters
    ----------
    prices : DataFrame
        By coin and date, with columns ``file`` and ``line``.
    now : date or datetime, optional
        Bars that begin after it are in the future, and those that end after it have not
        ended; by default the present moment in UTC.
    freq : str
        Of the bars.
    """
    return join_findings(
        [find_gaps(prices, freq), *(table for _, table in _odd(prices, now, freq))]
    )


@dataclass(frozen=True)
class Settled:
    """Rows dealt with as policies say.

    Attributes
    ----------
    prices : DataFrame, ``(n_left,)``
        Without the rows that were dropped, and with repairs.
    findings : DataFrame
        Gaps among them are those of the rows that are left.
    touched : ndarray of bool, ``(n_rows,)``
        Where a row that was given is dropped or repaired.
    future : ndarray of bool, ``(n_rows,)``
        Where a row that was given is dropped for being in the future.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame
    touched: Mask
    future: Mask


def settle_series(
    prices: pd.DataFrame,
    policies: Policies,
    freq: str,
    now: date | None,
    limits: FloatArray | None = None,
) -> Settled:
    """Return rows dropped and repaired as policies say, and what is odd in them.

    Parameters
    ----------
    prices : DataFrame, ``(n_rows,)``
        By coin and date, with columns ``file`` and ``line``, and maybe ``future``: whether a row
        was in the future when it was read, as which it is still treated.
    policies : mapping of str to str
        As `check_policies` returns them.
    freq : str
        Of the bars.
    now : date or datetime, optional
        Bars that begin after it are in the future, and those that end after it have not
        ended; by default the present moment in UTC.
    limits : ndarray of float64, ``(n_rows,)``, optional
        The log return beyond which a row is a large move, of coins whose rows are not all
        given; NaN where it follows from the rows.
    """
    tables: list[pd.DataFrame] = []
    dropped, touched, future, unended = (np.zeros(len(prices), dtype=bool) for _ in range(4))
    repaired = prices
    swaps = action_of(policies, "high_under_low") == "repair:swap"
    for where, table in _odd(prices, now, freq, swaps=swaps, limits=limits):
        if table.empty:
            continue
        tables.append(table)
        kind = table["kind"].iloc[0]
        action = action_of(policies, kind)
        if action == "drop":
            dropped |= where
            future = where if kind == "future_date" else future
            # A bar that has not ended comes again once it has, and is not looked at until then.
            unended = where if kind == "unended_bar" else unended
        elif action in REPAIRS:
            repaired = REPAIRS[action](repaired, where)
            touched |= where
    left = repaired[~dropped].reset_index(drop=True) if dropped.any() else repaired
    changed = touched | (dropped & ~unended)
    return Settled(left, join_findings([find_gaps(left, freq), *tables]), changed, future)


def find_gaps(prices: pd.DataFrame, freq: str = DAILY) -> pd.DataFrame:
    """Return a finding for each pair of rows of a coin between which bars are missing.

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
    prices: pd.DataFrame,
    now: date | None,
    freq: str,
    *,
    swaps: bool = False,
    limits: FloatArray | None = None,
) -> list[tuple[Mask, pd.DataFrame]]:
    """Return, kind by kind, the rows that a repair or a drop would change, and findings.

    ``swaps`` says that a high under its low is to be swapped with it, before anything else.
    """
    since = bars_since(prices, freq)
    close = prices["close"].to_numpy()
    fresh = since == 0  # the first of its coin
    fresh[1:] |= close[1:] != close[:-1]
    starts = np.flatnonzero(fresh)
    lengths = np.diff(np.append(starts, len(close)))
    long = lengths >= STALE_ROWS
    stale = findings(
        "stale_run",
        prices.iloc[starts[long]],
        value=lengths[long].astype(str),
        message="equal closes from here on",
    )
    moment = pd.Timestamp(now or datetime.now(UTC).replace(tzinfo=None))
    future = (prices["date"] > moment).to_numpy()
    if "future" in prices:
        future = future | prices["future"].to_numpy()
    unended = (prices["date"] + step_of(freq) > moment).to_numpy() & ~future
    zero = (prices["volume"] == 0).to_numpy()
    return [
        (np.repeat(long, lengths) & ~fresh, stale),
        (zero, findings("zero_volume", prices[zero], value="0")),
        (future, findings("future_date", prices[future])),
        (
            unended,
            findings(
                "unended_bar", prices[unended], message=f"read at {moment:%Y-%m-%d %H:%M} UTC"
            ),
        ),
        *_find_disagreements(prices, swaps=swaps),
        *_find_moves(prices, since, limits),
    ]


def _find_disagreements(prices: pd.DataFrame, *, swaps: bool) -> list[tuple[Mask, pd.DataFrame]]:
    """Return rows whose prices can't all be of the same bar, and findings."""
    low, high = prices["low"].to_numpy(), prices["high"].to_numpy()
    upside_down = high < low
    table = findings(
        "high_under_low",
        prices[upside_down],
        value=[f"{v:.10g}" for v in high[upside_down]],
        message=[f"low is {v:.10g}" for v in low[upside_down]],
    )
    odd = [(upside_down, table)]
    if swaps:
        low, high = np.where(upside_down, high, low), np.where(upside_down, low, high)
    for name in ("open", "close"):
        values = prices[name].to_numpy()
        outside = ~(high < low) & ((values > high) | (values < low))
        ends = zip(low[outside], high[outside], strict=True)
        table = findings(
            "outside_range",
            prices[outside],
            value=[f"{v:.10g}" for v in values[outside]],
            message=[f"{name}; low to high is {a:.10g} to {b:.10g}" for a, b in ends],
        )
        odd.append((outside, table))
    return odd


def moves_of(prices: pd.DataFrame, since: NDArray[np.int64]) -> FloatArray:
    """Return the log return of each row over the bar before it, NaN where that is not there.

    Parameters
    ----------
    prices : DataFrame, ``(n_rows,)``
        ``close``, by coin and date.
    since : ndarray of int64, ``(n_rows,)``
        As of `cryptodask.prices.clean.gaps.bars_since`.

    Returns
    -------
    ndarray of float64, ``(n_rows,)``
    """
    log_close = np.log(prices["close"].to_numpy())
    moves: FloatArray = np.where(since == 1, np.diff(log_close, prepend=np.nan), np.nan)
    return moves


def _find_moves(
    prices: pd.DataFrame, since: NDArray[np.int64], limits: FloatArray | None
) -> list[tuple[Mask, pd.DataFrame]]:
    """Return closes that moved too far in a bar, jumps that were undone, and findings."""
    moves = moves_of(prices, since)
    coin = codes_of(prices["coin"])
    median = pd.Series(moves).groupby(coin).transform("median").to_numpy()
    off = pd.Series(np.abs(moves - median))
    scale = 1.4826 * off.groupby(coin).transform("median").to_numpy()
    limit = np.fmax(ROBUST_SIGMAS * scale, SMALLEST_MOVE)
    if limits is not None:
        limit = np.where(np.isnan(limits), limit, limits)
    large = np.abs(moves) > limit
    after = np.append(moves[1:], np.nan)[: len(moves)]
    undone = large & (np.abs(moves + after) < 0.2 * np.abs(moves))
    # The way back is reported with the jump: of jumps in a row, every other one is a finding.
    at = np.arange(len(undone))
    undone &= (at - np.maximum.accumulate(np.where(undone, -1, at))) % 2 == 1
    back = np.append(False, undone[:-1])[: len(moves)]
    odd = []
    far = large & ~undone & ~back
    hints = hint_units(prices["coin"][far], prices["date"][far], moves[far])
    for kind, where, message in (
        ("large_move", far, hints),
        ("reverting_jump", undone, "undone by the next bar"),
    ):
        size = [f"{move:+.0%}" for move in np.expm1(moves[where])]
        odd.append((where, findings(kind, prices[where], value=size, message=message)))
    return odd


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
