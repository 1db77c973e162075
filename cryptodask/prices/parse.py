"""Cells of text to numbers and days, a whole column at a time, with a reason for each bad one."""

import numpy as np
import pandas as pd

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
_YEARS = (1900, 2100)  # a year outside of these is a slip, such as 0017

# Spreadsheets count days from here (their 1900 has one day too many, but no coin is so old).
_SERIAL = r"[0-9]{5}(?:\.0+)?"
_SERIAL_EPOCH = pd.Timestamp("1899-12-30")
_SERIAL_RANGE = (32_874, 73_415)  # 1990-01-01 to 2100-12-31


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


def parse_days(cells: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Read days as price files write them.

    Forms: ``Sep 22, 2017``, ``September 22, 2017``, ``22-Sep-2017``, ``2017-09-22`` (with a UTC
    time of that day or without), ``2017/9/22``, ``20170922``, and the serial number of a
    spreadsheet (``42093``: days since 1899-12-30). ``09/10/2017`` is refused, not guessed at, and
    so is a year before 1900 or after 2100.

    Parameters
    ----------
    cells : Series of str, ``(n,)``

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
    words = words.str.replace(r"\b[Ss][Ee][Pp][Tt]\b", "Sep", regex=True)
    days = pd.Series(pd.NaT, index=cells.index, dtype=DATE_DTYPE)
    reasons = pd.Series("no day in a form that is known", index=cells.index, dtype="str")
    todo = pd.Series(True, index=cells.index)

    for shape, form in _FORMS:
        if not todo.any():
            break
        here = todo & words.str.fullmatch(shape)
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
