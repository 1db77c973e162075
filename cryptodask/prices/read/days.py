"""Cells of text to days, a whole column at a time, with a reason for each that is none."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.numbers import MISSING
from cryptodask.prices.schema import DATE_DTYPE

_TIME = (
    r"[T ](?:(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?|24:00(?::00(?:\.0+)?)?)"
    r" ?(?:Z|UTC|GMT|[+-]00(?::?00)?)?$"
)

# Shape of a day once every separator is one space, and the form to read it by.
_FORMS = (
    (r"[A-Za-z]{3} [0-9]{1,2} [0-9]{4}", "%b %d %Y"),
    (r"[0-9]{4} [0-9]{1,2} [0-9]{1,2}", "%Y %m %d"),
    (r"[A-Za-z]{4,9} [0-9]{1,2} [0-9]{4}", "%B %d %Y"),
    (r"[0-9]{1,2} [A-Za-z]{3} [0-9]{4}", "%d %b %Y"),
    (r"[0-9]{1,2} [A-Za-z]{4,9} [0-9]{4}", "%d %B %Y"),
    (r"[0-9]{8}", "%Y%m%d"),
    (r"[0-9]{1,2} [A-Za-z]{3} [0-9]{2}", "%d %b %y"),
    (r"[A-Za-z]{3} [0-9]{1,2} [0-9]{2}", "%b %d %y"),
    (r"[0-9]{1,2} [A-Za-z]{4,9} [0-9]{2}", "%d %B %y"),
    (r"[A-Za-z]{4,9} [0-9]{1,2} [0-9]{2}", "%B %d %y"),
)

_Form = tuple[str, str, NDArray[np.bool_] | None]  # shape, form, and the cells that may have it

_AMBIGUOUS = r"[0-9]{1,2} [0-9]{1,2} (?:[0-9]{2}|[0-9]{4})"

_NUMERIC_DAY = re.compile(
    r"\s*([0-9]{1,2})[\s./-]+([0-9]{1,2})[\s./-]+([0-9]{2}|[0-9]{4})(?:[T ].*)?"
)

_NAMED_DAY = re.compile(r"\s*([0-9]{1,2})[\s./-]+([A-Za-z]{3,9})[\s./-]+([0-9]{2})(?:[T ].*)?")

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = 1, 2, 3
"""Orders of a numeric day; 0 is one that is not known. The first two have the year at the end."""

# Shape and form of days by their order: those that the file has to show.
_ORDERED = (
    (r"[0-9]{1,2} [0-9]{1,2} [0-9]{4}", "%d %m %Y", DAY_FIRST),
    (r"[0-9]{1,2} [0-9]{1,2} [0-9]{4}", "%m %d %Y", MONTH_FIRST),
    (r"[0-9]{1,2} [0-9]{1,2} [0-9]{2}", "%d %m %y", DAY_FIRST),
    (r"[0-9]{1,2} [0-9]{1,2} [0-9]{2}", "%m %d %y", MONTH_FIRST),
    (r"[0-9]{2} [0-9]{1,2} [0-9]{1,2}", "%y %m %d", YEAR_FIRST),
    (r"[0-9]{2} [A-Za-z]{3} [0-9]{1,2}", "%y %b %d", YEAR_FIRST),
)

_YEARS = (1900, 2100)  # a year outside of these is a slip, such as 0017

# Spreadsheets count days from here (their 1900 has one day too many, but no coin is so old).
_SERIAL = r"[0-9]{5}(?:\.0+)?"

_SERIAL_EPOCH = pd.Timestamp("1899-12-30")

_SERIAL_RANGE = (32_874, 73_415)  # 1990-01-01 to 2100-12-31


def parse_days(
    cells: pd.Series, order: NDArray[np.int8] | None = None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return days as price files write them.

    Forms: ``Sep 22, 2017``, ``September 22, 2017``, ``22-Sep-2017``, ``22-Sep-17`` (2000 to 2068,
    and from 69 on the century before), ``2017-09-22`` (with a UTC
    time of that day or without), ``2017/9/22``, ``20170922``, and the serial number of a
    spreadsheet (``42093``: days since 1899-12-30). ``09/10/2017`` is refused, not guessed at, and
    so is a year before 1900 or after 2100.

    Parameters
    ----------
    cells : Series of str, ``(n,)``
    order : array of int8, ``(n,)``, optional
        `DAY_FIRST`, `MONTH_FIRST` or `YEAR_FIRST` where that is known of ``09/10/2017`` or
        ``09/10/17``, which then are read.

    Returns
    -------
    days : Series of datetime64[s], ``(n,)``
        NaT where the cell is not a day.
    reasons : Series of str, ``(n,)``
        Why a cell is not a day; ``""`` where it is one.
    serial : Series of bool, ``(n,)``
        Where a serial number was read.
    """
    text = cells.str.strip()
    words = _words_of(text)
    days, reasons, todo = _read_forms(words, _forms_by(order))
    far = days.notna() & ~days.dt.year.between(*_YEARS)
    reasons[far] = "a year outside of {} to {}".format(*_YEARS)
    days[far] = pd.NaT

    serial_days = _read_serials(text, todo)
    serial = serial_days.notna()
    days[serial] = serial_days[serial]
    reasons[serial] = ""
    todo &= ~serial

    unclear = todo & words.str.fullmatch(_AMBIGUOUS)
    reasons[unclear] = "day and month can't be told apart; write it as YYYY-MM-DD"
    reasons[todo & text.str.lower().isin(MISSING)] = "no date"
    return days, reasons, serial


def _words_of(text: pd.Series) -> pd.Series:
    """Return days without time, one space for every separator, ``Sep`` for ``Sept``."""
    words = text.str.replace(_TIME, "", regex=True).str.replace(r"[\s,./-]+", " ", regex=True)
    if words.str.contains("[Ss][Ee][Pp][Tt]", regex=True).any():
        words = words.str.replace(r"\b[Ss][Ee][Pp][Tt]\b", "Sep", regex=True)
    return words


def _forms_by(order: NDArray[np.int8] | None) -> list[_Form]:
    """Return the forms to try one after the other, first those of an order that is known."""
    forms: list[_Form] = [(shape, form, None) for shape, form in _FORMS]
    if order is None or not order.any():
        return forms
    ordered = [(shape, form, order == wanted) for shape, form, wanted in _ORDERED]
    return [(shape, form, among) for shape, form, among in ordered if among.any()] + forms


def _read_forms(words: pd.Series, forms: Iterable[_Form]) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Read each day by the first form of its shape; return days, reasons and what has no form."""
    days = pd.Series(pd.NaT, index=words.index, dtype=DATE_DTYPE)
    reasons = pd.Series("no day in a form that is known", index=words.index, dtype="str")
    todo = pd.Series(True, index=words.index)
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
    return days, reasons, todo


def _read_serials(text: pd.Series, todo: pd.Series) -> pd.Series:
    """Return the days of serial numbers among the cells still to do, NaT elsewhere."""
    days = pd.Series(pd.NaT, index=text.index, dtype=DATE_DTYPE)
    serial = todo & text.str.fullmatch(_SERIAL)
    if serial.any():
        numbers = pd.to_numeric(text[serial])
        inside = numbers.between(*_SERIAL_RANGE)
        serial[serial] = inside
        counted = pd.to_timedelta(numbers[inside].astype("int64"), unit="D")
        days[serial] = (_SERIAL_EPOCH + counted).astype(DATE_DTYPE)
    return days


def day_month_order(cells: Iterable[str], day_first: bool | None) -> tuple[int, str]:
    """Return from all days of a file whether ``09/10/2017`` has the day or the month first.

    Parameters
    ----------
    cells : iterable of str
        All stamps of a file.
    day_first : bool, optional
        What a user says, for a file that does not decide it.

    Returns
    -------
    order : int
        `DAY_FIRST`, `MONTH_FIRST`, `YEAR_FIRST` (of two digits), or 0 where less than half of the
        stamps are such days.
    why : str
        How it was decided.

    Raises
    ------
    UnreadableFileError
        The file does not decide, or says both, and the user does not say. It names no file.
    """
    stamps = list(cells)
    matches = [match for cell in stamps if (match := _NUMERIC_DAY.fullmatch(cell))]
    if not matches or 2 * len(matches) < len(stamps):
        return _order_of_named(stamps)
    parts = [(int(match[1]), int(match[2]), int(match[3])) for match in matches]
    if all(len(match[3]) == 2 for match in matches) and _is_year_first(parts):
        return YEAR_FIRST, f"year first, as {matches[0][0].strip()} and the others show"
    pairs = [(a, b) for a, b, _ in parts]
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


def _order_of_named(stamps: list[str]) -> tuple[int, str]:
    """Return the order of days such as ``24-Nov-20``, if most are such and their year is first."""
    matches = [match for cell in stamps if (match := _NAMED_DAY.fullmatch(cell))]
    if not matches or 2 * len(matches) < len(stamps):
        return 0, ""
    if _is_year_first([(int(match[1]), 1, int(match[3])) for match in matches]):
        return YEAR_FIRST, f"year first, as {matches[0][0].strip()} and the others show"
    return 0, ""


def _is_year_first(parts: list[tuple[int, int, int]]) -> bool:
    """Return whether days of three numbers of two digits begin with the year.

    Raises
    ------
    UnreadableFileError
        They may begin or end with it. It names no file.
    """
    at_end = all(max(a, b) <= 31 and min(a, b) <= 12 for a, b, _ in parts)
    at_begin = all(b <= 12 and 1 <= c <= 31 for _, b, c in parts)
    if not (at_begin and at_end):
        return at_begin
    # Days change from row to row, and years hardly ever.
    firsts, seconds, lasts = (len(set(numbers)) for numbers in zip(*parts, strict=True))
    if lasts <= max(firsts, seconds):
        return False
    if lasts >= 2 * firsts and lasts > 4:
        return True
    a, b, c = parts[0]
    raise UnreadableFileError(
        f"date: day and year can't be told apart, as in {a:02d}-{b:02d}-{c:02d}; write the year "
        "with four digits"
    )
