"""Cells of text to the start of a bar: days, moments with a zone, and counts from 1970."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.read.days import DAY_FIRST, MONTH_FIRST, parse_days
from cryptodask.prices.read.numbers import MISSING
from cryptodask.prices.schema import DATE_DTYPE

_EPOCH = re.compile(r"[1-9][0-9]{8,18}(?:\.[0-9]+)?")

# Units since 1970 that count to a day from 1990 to 2100: no number is one in two of them.
_EPOCH_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)

_EPOCH_RANGE = (631_152_000, 4_133_980_800)

_DAY_SECONDS = 86_400

_CLOCK = r"[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))? ?(?:Z|UTC|([+-])([0-9]{2}):?([0-9]{2}))?$"  # noqa: E501

_TWELVE = re.compile(
    r"(.*[T ])(0?[1-9]|1[0-2])(?::([0-5][0-9]))?(?::([0-5][0-9]))?[ -]?([AaPp])\.?[Mm]\.?"
)

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
    text = cells.str.strip()
    shaped = text.str.fullmatch(_EPOCH.pattern)
    numbers = pd.to_numeric(text.where(shaped), errors="coerce").to_numpy(dtype=np.float64)
    seconds = np.full(len(text), np.nan)
    for unit in _EPOCH_UNITS:
        scaled = numbers / unit
        inside = (scaled >= _EPOCH_RANGE[0]) & (scaled < _EPOCH_RANGE[1])
        seconds[inside] = scaled[inside]
    reasons = np.where(np.isnan(seconds), "no moment counted from 1970", "").astype(object)
    reasons[text.str.lower().isin(MISSING).to_numpy()] = "no date"
    return seconds, reasons


def parse_stamps(
    cells: pd.Series, stamp: str, *, epoch: bool, offset: bool, order: int, step: int = _DAY_SECONDS
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return when the bars of stamps of one convention begin, in UTC; see `layouts`.

    Parameters
    ----------
    cells : Series of str, ``(n,)``
    stamp : str
        ``day``, ``open`` or ``instant``. Of bars shorter than a day, a day as written is the
        moment at which the bar opens.
    epoch, offset : bool
        Whether stamps count from 1970, and whether they have a time zone offset.
    order : int
        Of day and month, as in `parse_days`.
    step : int
        Seconds of a bar.

    Returns
    -------
    dates, reasons, serial : Series
        As of `parse_days`; a date is the UTC day of a daily bar, else the moment that it opens.
    """
    index = cells.index
    late = 1 if stamp == "instant" else 0  # a close at D 00:00 is that of the bar before
    if epoch:
        seconds, why = parse_epochs(cells)
        counted = pd.Series((np.ceil(seconds / step) - late) * step, index=index)
        dates = pd.to_datetime(counted, unit="s").astype(DATE_DTYPE)
        serial = pd.Series(False, index=index)
        return dates, pd.Series(why, index=index, dtype="str"), serial
    text = cells.str.strip()
    as_written = stamp == "day" and step == _DAY_SECONDS
    clock = None if as_written else _clocks(text)
    if offset:
        text = text.str.replace(r"([T ][0-9:.]+) ?[+-][0-9]{2}:?[0-9]{2}$", r"\1", regex=True)
    orders = np.full(len(cells), order, dtype=np.int8)
    days, reasons, serial = parse_days(text, orders)
    if clock is None:
        return days, reasons, serial
    timed = ~np.isnan(clock) & days.notna().to_numpy()
    bars = np.where(timed, np.ceil(np.where(timed, clock, 0.0) / step) - late, 0.0)
    moved = days + pd.to_timedelta(pd.Series(bars * step, index=index), unit="s")
    return moved.astype(DATE_DTYPE), reasons, serial


def _clocks(text: "pd.Series[str]") -> NDArray[np.float64]:
    """Return the time of each stamp as seconds after 00:00 UTC of its day; NaN without a time."""
    clock = text.str.extract(_CLOCK)
    hour, minute, second, hours, minutes = (
        pd.to_numeric(clock[i]).fillna(0.0).to_numpy(dtype=np.float64) for i in (0, 1, 2, 4, 5)
    )
    east = np.where((clock[3] == "-").to_numpy(), -1.0, 1.0) * (3_600 * hours + 60 * minutes)
    seconds: NDArray[np.float64] = 3_600 * hour + 60 * minute + second - east
    return np.where(clock[0].notna().to_numpy(), seconds, np.nan)


def bar_seconds(cells: Iterable[str], *, epoch: bool) -> float:
    """Return the usual step between the stamps of a file, in seconds.

    Parameters
    ----------
    cells : iterable of str
        Stamps, in any order, of one coin or of many.
    epoch : bool
        Whether they count from 1970.

    Returns
    -------
    float
        The median step between those that differ; NaN where that is not clear. Days without a
        time, and those that all have one time, are a day apart.
    """
    stamps = dict.fromkeys(cell.strip() for cell in cells)
    texts = pd.Series(list(stamps), dtype="str")
    if epoch:
        seconds, _ = parse_epochs(texts)
    else:
        times = {match[0] if (match := TIMES.search(cell)) else "" for cell in stamps}
        if times == {""} or (len(times) == 1 and len(stamps) > 1):
            return float(_DAY_SECONDS)
        bare = texts.str.replace(TIMES.pattern, "", regex=True)
        # Either order will do, as far as it makes days of them: what counts is mostly the time.
        orders = np.full((2, len(texts)), [[DAY_FIRST], [MONTH_FIRST]], dtype=np.int8)
        days = max((parse_days(bare, order)[0] for order in orders), key=lambda d: d.notna().sum())
        clock = np.nan_to_num(_clocks(texts))
        seconds = np.where(days.isna(), np.nan, days.to_numpy().astype(np.int64) + clock)
    steps = np.sort(np.diff(np.unique(seconds[~np.isnan(seconds)])))
    # Not between the two in the middle: that would be no step that is there.
    return float(steps[(len(steps) - 1) // 2]) if len(steps) else float("nan")


def in_24_hours(cell: str) -> str:
    """Return a stamp that has AM or PM by 24 hours, and any other cell as it is.

    Parameters
    ----------
    cell : str
    """
    match = _TWELVE.fullmatch(cell.strip())
    if match is None:
        return cell
    hour = int(match[2]) % 12 + 12 * (match[5] in "Pp")
    return f"{match[1]}{hour:02d}:{match[3] or '00'}:{match[4] or '00'}"


def is_timed(cell: str) -> bool:
    """Return whether a stamp has a time of day.

    Parameters
    ----------
    cell : str
    """
    return TIMES.search(cell) is not None
