"""Cells of text to the start of a bar: days, moments with a zone, and counts from 1970."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cryptodask.prices.read.days import DAY_FIRST, MONTH_FIRST, YEAR_FIRST, parse_days
from cryptodask.prices.read.texts import TEXT, find_missing
from cryptodask.prices.schema import DATE_DTYPE

_EPOCH = re.compile(r"[1-9][0-9]{8,18}(?:\.[0-9]+)?|[1-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,2}")

# Units since 1970 that count to a day from 1990 to 2100: no number is one in two of them.
_EPOCH_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)

_EPOCH_RANGE = (631_152_000, 4_133_980_800)

_DAY_SECONDS = 86_400

_CLOCK = r"[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))? ?(?:Z|(?:UTC|GMT)?([+-])([0-9]{2})(?::?([0-9]{2}))?|UTC|GMT)?$"  # noqa: E501

_LATE = r"[T ]24:"  # the end of the day that is written, as ISO 8601 has it

OFFSET = re.compile(r"([T ][0-9]{1,2}:[0-9:.]+) ?(?:GMT|UTC)?[+-][0-9]{2}(?::?[0-9]{2})?$")
"""A time with the offset of its zone; the time is the group."""

TIMES = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}.*$")


def is_epoch(cell: str) -> bool:
    """Return whether a cell is a moment from 1990 to 2100, counted from 1970 in a known unit.

    Parameters
    ----------
    cell : str
    """
    return _EPOCH.fullmatch(cell) is not None and any(
        _EPOCH_RANGE[0] <= float(cell) / unit < _EPOCH_RANGE[1] for unit in _EPOCH_UNITS
    )


def parse_epochs(cells: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Return moments counted from 1970 in seconds, milli-, micro- or nanoseconds.

    Parameters
    ----------
    cells : Series of str, ``(n,)``

    Returns
    -------
    seconds : array of float64, ``(n,)``
        Seconds since 1970, NaN where a cell is not a moment.
    reasons : array of str, ``(n,)``
        Why it is none; ``""`` where it is one.
    """
    texts = pc.utf8_trim_whitespace(pa.array(cells, type=TEXT))
    shaped = pc.match_substring_regex(texts, f"^(?:{_EPOCH.pattern})$")
    numbers = pc.cast(pc.if_else(shaped, texts, "0"), pa.float64()).to_numpy(zero_copy_only=False)
    seconds = np.full(len(numbers), np.nan)
    for unit in _EPOCH_UNITS:
        scaled = numbers / unit
        inside = (scaled >= _EPOCH_RANGE[0]) & (scaled < _EPOCH_RANGE[1])
        seconds[inside] = scaled[inside]
    reasons = np.full(len(seconds), "", dtype=object)
    bad = np.isnan(seconds)
    if bad.any():
        reasons[bad] = "no moment counted from 1970"
        reasons[np.asarray(find_missing(texts))] = "no date"
    return seconds, reasons


@dataclass(frozen=True)
class StampRule:
    """What the stamps of a file mean.

    Attributes
    ----------
    stamp : str
        ``day`` (as written), ``open`` (of a bar) or ``instant`` (at which a bar closes).
    epoch, offset : bool
        Whether stamps count from 1970, and whether they have a time zone offset.
    order : int
        Of day and month, as in `parse_days`.
    tolerance : float
        Seconds about the edge of a bar within which a stamp is on it.
    """

    stamp: str
    epoch: bool = False
    offset: bool = False
    order: int = 0
    tolerance: float = 0.0


@dataclass(frozen=True)
class Stamps:
    """The bars that stamps belong to.

    Attributes
    ----------
    dates : Series of datetime64[s], ``(n,)``
        The UTC day of a daily bar, else the moment in UTC that it opens; NaT where a cell is not a
        stamp.
    reasons : Series of str, ``(n,)``
        Why a cell is not a stamp; ``""`` where it is one.
    serial : Series of bool, ``(n,)``
        Where a serial number was read.
    inside : array of bool, ``(n,)``
        Where a stamp is inside of its bar and on none of its edges, among stamps of closes.
    """

    dates: pd.Series
    reasons: pd.Series
    serial: pd.Series
    inside: NDArray[np.bool_]


def read_stamps(cells: pd.Series, rule: StampRule, step: int = _DAY_SECONDS) -> Stamps:
    """Return the bars of stamps of one rule, in UTC; see `layouts`.

    Parameters
    ----------
    cells : Series of str, ``(n,)``
    rule : StampRule
    step : int
        Seconds of a bar. Of bars shorter than a day, a day as written is the moment at which the
        bar opens.
    """
    index = cells.index
    late = 1 if rule.stamp == "instant" else 0  # a close at D 00:00 is that of the bar before
    if rule.epoch:
        seconds, why = parse_epochs(cells)
        bars, inside = _count_bars(seconds, step, rule.tolerance)
        counted = pd.Series((bars - late) * step, index=index)
        return Stamps(
            pd.to_datetime(counted, unit="s").astype(DATE_DTYPE),
            pd.Series(why, index=index, dtype="str"),
            pd.Series(False, index=index),
            inside & bool(late),
        )
    text = cells.str.strip()
    as_written = rule.stamp == "day" and step == _DAY_SECONDS
    clock = None if as_written else clocks_of(text)
    if rule.offset:
        text = text.str.replace(OFFSET.pattern, r"\1", regex=True)
    orders = np.full(len(cells), rule.order, dtype=np.int8)
    days, reasons, serial = parse_days(text, orders)
    if clock is None:
        days = days.mask(text.str.contains(_LATE), days + pd.Timedelta(days=1))
        return Stamps(
            days.astype(DATE_DTYPE), reasons, serial, np.zeros(len(cells), dtype=np.bool_)
        )
    timed = ~np.isnan(clock) & days.notna().to_numpy()
    bars, inside = _count_bars(np.where(timed, clock, 0.0), step, rule.tolerance)
    after = pd.Series(np.where(timed, bars - late, 0.0) * step, index=index)
    moved = days + pd.to_timedelta(after, unit="s")
    return Stamps(moved.astype(DATE_DTYPE), reasons, serial, inside & timed & bool(late))


def _count_bars(
    seconds: NDArray[np.float64], step: int, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the number of the edge at or after each moment, and where it is on none."""
    edges = np.round(seconds / step)
    near = np.abs(seconds - edges * step) <= tolerance
    return np.where(near, edges, np.ceil(seconds / step)), ~near & ~np.isnan(seconds)


def parse_stamps(
    cells: pd.Series, stamp: str, *, epoch: bool, offset: bool, order: int, step: int = _DAY_SECONDS
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return dates, reasons and serial numbers of stamps; see `StampRule` and `Stamps`.

    Parameters
    ----------
    cells : Series of str, ``(n,)``
    stamp, epoch, offset, order
        As of `StampRule`; only stamps exactly on an edge are on it.
    step : int
        Seconds of a bar.

    Returns
    -------
    dates, reasons, serial : Series
    """
    stamps = read_stamps(cells, StampRule(stamp, epoch, offset, order), step)
    return stamps.dates, stamps.reasons, stamps.serial


def clocks_of(text: "pd.Series[str]") -> NDArray[np.float64]:
    """Return the time of each stamp as seconds after 00:00 UTC of its day; NaN without a time.

    Parameters
    ----------
    text : Series of str, ``(n,)``
    """
    clock = text.str.extract(_CLOCK)
    hour, minute, second, hours, minutes = (
        pd.to_numeric(clock[i]).fillna(0.0).to_numpy(dtype=np.float64) for i in (0, 1, 2, 4, 5)
    )
    east = np.where((clock[3] == "-").to_numpy(), -1.0, 1.0) * (3_600 * hours + 60 * minutes)
    seconds: NDArray[np.float64] = 3_600 * hour + 60 * minute + second - east
    return np.where(clock[0].notna().to_numpy(), seconds, np.nan)


def bar_seconds(
    cells: Iterable[str],
    *,
    epoch: bool,
    coins: Sequence[str] | None = None,
    edge: tuple[int, float] | None = None,
) -> float:
    """Return the usual step between the stamps of a file, in seconds.

    Parameters
    ----------
    cells : iterable of str, ``(n,)``
        Stamps, in any order, of one coin or of many.
    epoch : bool
        Whether they count from 1970.
    coins : sequence of str, optional, ``(n,)``
        The coin of each stamp: steps then are those of each coin, whose stamps may be some seconds
        after those of another.
    edge : tuple of int and float, optional
        Seconds of a bar, and about its edges: stamps are moved to the edge that they are near, if
        most are near one, and nearly no two of them near the same.

    Returns
    -------
    float
        The median step between those that differ; NaN where that is not clear. Days without a
        time, and those that all have one time, are a day apart.
    """
    stripped = [cell.strip() for cell in cells]
    stamps = list(dict.fromkeys(stripped))
    seconds = _seconds_of(stamps, epoch)
    if seconds is None:
        return float(_DAY_SECONDS)
    if coins is None and edge is None:
        return _median_step(np.diff(np.unique(seconds[~np.isnan(seconds)])))
    moments = pd.DataFrame({"coin": "", "at": seconds})
    if coins is not None:
        pairs = list(dict.fromkeys(zip(coins, stripped, strict=True)))
        at = dict(zip(stamps, seconds, strict=True))
        moments = pd.DataFrame({"coin": [c for c, _ in pairs], "at": [at[s] for _, s in pairs]})
    moments = moments.dropna().drop_duplicates()
    if edge is not None:
        edges = moments["at"].div(edge[0]).round() * edge[0]
        near = (moments["at"] - edges).abs() <= edge[1]
        moved = moments.assign(at=edges)
        if 2 * near.sum() <= len(moments) or moved.duplicated().mean() > 0.1:
            return float("nan")
        moments = moved[near].drop_duplicates()
    moments = moments.sort_values(["coin", "at"], kind="stable")
    return _median_step(moments.groupby("coin")["at"].diff().dropna().to_numpy())


def _median_step(steps: NDArray[np.float64]) -> float:
    steps = np.sort(steps)
    # Not between the two in the middle: that would be no step that is there.
    return float(steps[(len(steps) - 1) // 2]) if len(steps) else float("nan")


def _seconds_of(stamps: list[str], epoch: bool) -> NDArray[np.float64] | None:
    """Return moments in seconds, NaN where a stamp is not one; None of days without a time."""
    texts = pd.Series(stamps, dtype="str")
    if epoch:
        return parse_epochs(texts)[0]
    times = {match[0] if (match := TIMES.search(cell)) else "" for cell in stamps}
    if times == {""} or (len(times) == 1 and len(stamps) > 1):
        return None
    bare = texts.str.replace(TIMES.pattern, "", regex=True)
    # Any order will do, as far as it makes days of them: what counts is mostly the time.
    orders = [DAY_FIRST, MONTH_FIRST, YEAR_FIRST]
    tried = [parse_days(bare, np.full(len(texts), order, dtype=np.int8))[0] for order in orders]
    days = max(tried, key=lambda d: d.notna().sum())
    clock = np.nan_to_num(clocks_of(texts))
    seconds: NDArray[np.float64] = np.where(
        days.isna(), np.nan, days.to_numpy().astype(np.int64) + clock
    )
    return seconds


def is_timed(cell: str) -> bool:
    """Return whether a stamp has a time of day.

    Parameters
    ----------
    cell : str
    """
    return ":" in cell and TIMES.search(cell) is not None
