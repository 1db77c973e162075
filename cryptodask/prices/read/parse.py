"""Cells of text to numbers and days, a whole column at a time, with a reason for each bad one."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.schema import DATE_DTYPE

MISSING = ("", "-", "--", "?", "n/a", "na", "nan", "null", "none")
"""What stands for "no value" in price files, in any case."""

# Digits are [0-9] and not \d, which also means those of other scripts. A number that begins with
# 0 has no thousands, so that the comma of "0,123" is a decimal one.
_NUMBER = (
    r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
    r"|[+-]?\.[0-9]+(?:[eE][+-]?[0-9]+)?"
)

_TIME = (
    r"[T ](?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?"
    r" ?(?:Z|UTC|\+00:?00)?$"
)
# Shape of a day once every separator is one space, and the form to read it by.
_FORMS = (
    (r"[A-Za-z]{3} [0-9]{1,2} [0-9]{4}", "%b %d %Y"),
    (r"[0-9]{4} [0-9]{1,2} [0-9]{1,2}", "%Y %m %d"),
    (r"[A-Za-z]{4,9} [0-9]{1,2} [0-9]{4}", "%B %d %Y"),
    (r"[0-9]{1,2} [A-Za-z]{3} [0-9]{4}", "%d %b %Y"),
    (r"[0-9]{1,2} [A-Za-z]{4,9} [0-9]{4}", "%d %B %Y"),
    (r"[0-9]{8}", "%Y%m%d"),
)
_AMBIGUOUS = r"[0-9]{1,2} [0-9]{1,2} (?:[0-9]{2}|[0-9]{4})"
_NUMERIC_DAY = re.compile(r"\s*([0-9]{1,2})[\s./-]+([0-9]{1,2})[\s./-]+[0-9]{4}(?:[T ].*)?")
DAY_FIRST, MONTH_FIRST = 1, 2
"""Orders of a numeric day; 0 is one that is not known."""
_YEARS = (1900, 2100)  # a year outside of these is a slip, such as 0017

# Spreadsheets count days from here (their 1900 has one day too many, but no coin is so old).
_SERIAL = r"[0-9]{5}(?:\.0+)?"
_SERIAL_EPOCH = pd.Timestamp("1899-12-30")
_SERIAL_RANGE = (32_874, 73_415)  # 1990-01-01 to 2100-12-31

_EPOCH = re.compile(r"[1-9][0-9]{8,18}(?:\.[0-9]+)?")
# Units since 1970 that count to a day from 1990 to 2100: no number is one in two of them.
_EPOCH_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
_EPOCH_RANGE = (631_152_000, 4_133_980_800)
_DAY_SECONDS = 86_400
_CLOCK = r"[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))? ?(?:Z|UTC|([+-])([0-9]{2}):?([0-9]{2}))?$"  # noqa: E501
_TWELVE = re.compile(
    r"(.*[T ])(0?[1-9]|1[0-2])(?::([0-5][0-9]))?(?::([0-5][0-9]))?[ -]?([AaPp])\.?[Mm]\.?"
)
_TIMES = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}.*$")
_COMMA = re.compile(
    r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?"
)
_POINT = re.compile(_NUMBER)


def parse_numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Read numbers as price files write them: ``1,234.5``, ``$0.17``, ``4.9E-05``, ``-``.

    A comma is a thousands separator and stands only where one can; ``1,23``, ``0,123`` or
    ``1.234,5`` is not guessed at.

    Parameters
    ----------
    cells : Series of str, ``(n,)``

    Returns
    -------
    values : Series of float64, ``(n,)``
        NaN where the cell is missing or no number.
    bad : Series of bool, ``(n,)``
        Where the cell says something that is no finite number.
    """
    text = cells.str.strip().str.removeprefix("$")
    missing = text.str.lower().isin(MISSING)
    bad = ~missing & ~text.str.fullmatch(_NUMBER)
    digits = text.mask(missing | bad).str.replace(",", "", regex=False)
    values = digits.astype("float64")
    infinite = values.abs() == np.inf  # 1e999 looks like a number and is none
    return values.mask(infinite), bad | infinite


def parse_days(
    cells: pd.Series, order: NDArray[np.int8] | None = None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Read days as price files write them.

    Forms: ``Sep 22, 2017``, ``September 22, 2017``, ``22-Sep-2017``, ``2017-09-22`` (with a UTC
    time of that day or without), ``2017/9/22``, ``20170922``, and the serial number of a
    spreadsheet (``42093``: days since 1899-12-30). ``09/10/2017`` is refused, not guessed at, and
    so is a year before 1900 or after 2100.

    Parameters
    ----------
    cells : Series of str, ``(n,)``
    order : array of int8, ``(n,)``, optional
        `DAY_FIRST` or `MONTH_FIRST` where that is known of ``09/10/2017``, which then is read.

    Returns
    -------
    days : Series of datetime64[s], ``(n,)``
        NaT where the cell is no day.
    reasons : Series of str, ``(n,)``
        Why a cell is no day; ``""`` where it is one.
    serial : Series of bool, ``(n,)``
        Where a serial number was read.
    """
    text = cells.str.strip()
    words = text.str.replace(_TIME, "", regex=True).str.replace(r"[\s,./-]+", " ", regex=True)
    if words.str.contains("[Ss][Ee][Pp][Tt]", regex=True).any():
        words = words.str.replace(r"\b[Ss][Ee][Pp][Tt]\b", "Sep", regex=True)
    days = pd.Series(pd.NaT, index=cells.index, dtype=DATE_DTYPE)
    reasons = pd.Series("no day in a form that is known", index=cells.index, dtype="str")
    todo = pd.Series(True, index=cells.index)

    forms: list[tuple[str, str, NDArray[np.bool_] | None]]
    forms = [(shape, form, None) for shape, form in _FORMS]
    if order is not None and order.any():
        numeric = r"[0-9]{1,2} [0-9]{1,2} [0-9]{4}"
        forms = [
            (numeric, "%d %m %Y", order == DAY_FIRST),
            (numeric, "%m %d %Y", order == MONTH_FIRST),
            *forms,
        ]
    for shape, form, among in forms:
        if not todo.any():
            break
        here = todo & words.str.fullmatch(shape)
        if among is not None:
            here &= among
        parsed = pd.to_datetime(words[here], format=form, errors="coerce")
        days[here] = parsed.astype(DATE_DTYPE)
        reasons[here] = np.where(parsed.isna(), "no such day in the calendar", "")
        todo &= ~here
    far = days.notna() & ~days.dt.year.between(*_YEARS)
    reasons[far] = "a year outside of {} to {}".format(*_YEARS)
    days[far] = pd.NaT

    serial = todo & text.str.fullmatch(_SERIAL)
    if serial.any():
        numbers = pd.to_numeric(text[serial])
        inside = numbers.between(*_SERIAL_RANGE)
        serial[serial] = inside
        counted = pd.to_timedelta(numbers[inside].astype("int64"), unit="D")
        days[serial] = (_SERIAL_EPOCH + counted).astype(DATE_DTYPE)
        reasons[serial] = ""
        todo &= ~serial
    unclear = todo & words.str.fullmatch(_AMBIGUOUS)
    reasons[unclear] = "day and month can't be told apart; write it as YYYY-MM-DD"
    reasons[todo & text.str.lower().isin(MISSING)] = "no date"
    return days, reasons, serial


def is_epoch(cell: str) -> bool:
    """Tell whether a cell is a moment from 1990 to 2100, counted from 1970 in a known unit."""
    return _EPOCH.fullmatch(cell) is not None and any(
        _EPOCH_RANGE[0] <= float(cell) / unit < _EPOCH_RANGE[1] for unit in _EPOCH_UNITS
    )


def parse_epochs(cells: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Read moments counted from 1970 in seconds, milli-, micro- or nanoseconds.

    Returns
    -------
    seconds : array of float64, ``(n,)``
        Seconds since 1970, NaN where a cell is no moment.
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
    """Read stamps of one convention as the beginning of their bar, in UTC; see `layouts`.

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
        The median step between those that differ; NaN where that can't be told. Days without a
        time, and those that all have one time, are a day apart.
    """
    stamps = dict.fromkeys(cell.strip() for cell in cells)
    texts = pd.Series(list(stamps), dtype="str")
    if epoch:
        seconds, _ = parse_epochs(texts)
    else:
        times = {match[0] if (match := _TIMES.search(cell)) else "" for cell in stamps}
        if times == {""} or (len(times) == 1 and len(stamps) > 1):
            return float(_DAY_SECONDS)
        bare = texts.str.replace(_TIMES.pattern, "", regex=True)
        # Either order will do, as far as it makes days of them: what counts is mostly the time.
        orders = np.full((2, len(texts)), [[DAY_FIRST], [MONTH_FIRST]], dtype=np.int8)
        days = max((parse_days(bare, order)[0] for order in orders), key=lambda d: d.notna().sum())
        clock = np.nan_to_num(_clocks(texts))
        seconds = np.where(days.isna(), np.nan, days.to_numpy().astype(np.int64) + clock)
    steps = np.sort(np.diff(np.unique(seconds[~np.isnan(seconds)])))
    # Not between the two in the middle: that would be no step that is there.
    return float(steps[(len(steps) - 1) // 2]) if len(steps) else float("nan")


def in_24_hours(cell: str) -> str:
    """Write the time of a stamp that has AM or PM by 24 hours; leave any other cell as it is."""
    match = _TWELVE.fullmatch(cell.strip())
    if match is None:
        return cell
    hour = int(match[2]) % 12 + 12 * (match[5] in "Pp")
    return f"{match[1]}{hour:02d}:{match[3] or '00'}:{match[4] or '00'}"


def is_timed(cell: str) -> bool:
    """Tell whether a stamp has a time of day."""
    return _TIMES.search(cell) is not None


def day_month_order(cells: Iterable[str], day_first: bool | None) -> tuple[int, str]:
    """Decide from all days of a file whether ``09/10/2017`` has the day or the month first.

    Parameters
    ----------
    cells : iterable of str
        All stamps of a file.
    day_first : bool, optional
        What a user says, for a file that does not decide it.

    Returns
    -------
    order : int
        `DAY_FIRST`, `MONTH_FIRST`, or 0 where less than half of the stamps are such days.
    why : str
        How it was decided.

    Raises
    ------
    UnreadableFileError
        The file does not decide, or says both, and the user does not say. It names no file.
    """
    stamps = list(cells)
    pairs = [
        (int(match[1]), int(match[2])) for cell in stamps if (match := _NUMERIC_DAY.fullmatch(cell))
    ]
    if not pairs or 2 * len(pairs) < len(stamps):
        return 0, ""
    first = [f"{a}/{b}" for a, b in pairs if a > 12]
    second = [f"{a}/{b}" for a, b in pairs if b > 12]
    if bool(first) != bool(second):
        shown = f"as {(first or second)[0]} shows"
        return (
            (DAY_FIRST, f"day first, {shown}") if first else (MONTH_FIRST, f"month first, {shown}")
        )
    if day_first is not None:
        order = DAY_FIRST if day_first else MONTH_FIRST
        return order, f"{'day' if day_first else 'month'} first, as the option says"
    if all(a == b for a, b in pairs):
        return DAY_FIRST, "day and month are equal in every row"
    how = f"both {first[0]} and {second[0]} occur" if first else "no row has a number above 12"
    raise UnreadableFileError(
        f"date: day and month can't be told apart ({how}); say which comes first with --dayfirst "
        "or --monthfirst"
    )


def has_comma_decimals(cells: Iterable[str]) -> bool:
    """Decide from all numbers of a file whether a comma is its decimal mark.

    Raises
    ------
    UnreadableFileError
        The numbers do not decide, or say both. It names no file.
    """
    both: list[str] = []
    comma: list[str] = []
    point: list[str] = []
    for cell in cells:
        text = cell.strip().removeprefix("$")
        if "," in text or "." in text:
            as_comma, as_point = _COMMA.fullmatch(text), _POINT.fullmatch(text)
            if as_comma or as_point:
                (both if as_comma and as_point else comma if as_comma else point).append(text)
    if comma and point:
        raise UnreadableFileError(
            f"numbers: {comma[0]!r} has a decimal comma and {point[0]!r} a decimal point; write "
            "all with a point"
        )
    if both and not comma and not point:
        raise UnreadableFileError(
            f"numbers: can't tell a decimal mark from one of thousands in {both[0]!r}; write all "
            "with a decimal point and without marks of thousands"
        )
    return bool(comma)


def with_points(cell: str) -> str:
    """Write a number that has a decimal comma with a point; leave any other cell as it is."""
    text = cell.strip().removeprefix("$")
    return text.replace(".", "").replace(",", ".") if _COMMA.fullmatch(text) else cell


def without_suffix(cell: str) -> str:
    """Write ``1.5K``, ``2M`` and ``3B`` as numbers without a suffix; leave any other cell."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)([KMBT])\s*", cell)
    power = {"K": 3, "M": 6, "B": 9, "T": 12}
    return f"{match[1]}e{power[match[2]]}" if match else cell
