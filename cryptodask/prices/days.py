"""Days that a user gives as options."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import (
    OptionError,
)
from cryptodask.prices.read.days import parse_days

Day = str | date | np.datetime64 | pd.Timestamp


def read_day(option: str, value: Day | None, default: str | None = None) -> np.datetime64:
    """Return a day that a user gave, at midnight.

    Parameters
    ----------
    option : str
        Its name, for errors.
    value : str, date, datetime64 or Timestamp, optional
        A text is read in the forms that price files have; a moment with a zone is taken in UTC.
    default : str, optional
        ISO day in place of no value.

    Returns
    -------
    datetime64[s]

    Raises
    ------
    OptionError
        It is none, or there is none and no default.
    """
    if value is None and default is not None:
        return np.datetime64(default, "s")
    try:
        day = _timestamp(value)
    except (ValueError, TypeError) as error:
        why = str(error).partition(";")[0]
        raise OptionError(
            f"{option}: {value!r} is not a day ({why}); write it as YYYY-MM-DD"
        ) from error
    # The whole day, at whatever hour a datetime is.
    return np.datetime64(day.normalize(), "s")


def day_text(value: Day | None) -> str | None:
    """Return a day that a user gave as ``YYYY-MM-DD``, if there is one.

    Parameters
    ----------
    value : str, date, datetime64 or Timestamp, optional
        As of `read_day`.

    Raises
    ------
    OptionError
        It is not a day.
    """
    return None if value is None else str(read_day("day", value).astype("datetime64[D]"))


def _timestamp(value: Any) -> pd.Timestamp:
    if isinstance(value, int | float | np.number):
        raise TypeError("a number, which pandas takes for nanoseconds since 1970")
    if isinstance(value, str):  # by the rule for files, which guesses at nothing
        days, reasons, _ = parse_days(pd.Series([value], dtype="str"))
        if reasons.iloc[0]:
            raise ValueError(reasons.iloc[0])
        value = days.iloc[0]
    moment = pd.Timestamp(value)
    if pd.isna(moment):
        raise ValueError("no date")
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
