"""Bars of one frequency, numbered from 1970 on: which are wanted, and when each begins.

All moments are naive and UTC, like the ``date`` of a price row.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.prices.freq import DAILY, FREQS, bars

_EPOCH = datetime(1970, 1, 1)


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, without a zone.

    Parameters
    ----------
    moment : datetime
        In UTC where it has no zone.
    """
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def bars_wanted(
    since: str | date, until: str | date | None, freq: str, now: datetime
) -> tuple[int, int]:
    """Return the numbers of the first and the last bar of these days that have ended.

    Parameters
    ----------
    since, until : str or date
        First and last UTC day, both included; by default until now.
    freq : str
        Of the bars.
    now : datetime
        The present moment.

    Raises
    ------
    OptionError
        There is none, or `since` or `until` is not a day.
    """
    a_day = FREQS[DAILY] // FREQS[freq]
    first = _day("since", since) * a_day
    ended = (in_utc(now) - _EPOCH) // _step(freq) - 1
    last = ended if until is None else min(ended, (_day("until", until) + 1) * a_day - 1)
    if first > last:
        late = until is None or last == ended
        end = f"the last of the {bars(freq)} that ended" if late else f"until: {until}"
        raise OptionError(
            f"since: {since} is after {end}; the last one that can be had is {say_bar(last, freq)}"
        )
    return first, last


def bar_of(name: str, began: Any, freq: str) -> int:
    """Return the number of the bar that began at a moment, or at midnight of a day.

    Parameters
    ----------
    name : str
        Of the option, for errors.
    began : date or datetime
    freq : str
        Of the bars.

    Raises
    ------
    OptionError
        It is none, or no bar begins then.
    """
    if not isinstance(began, date) or pd.isna(began):
        raise OptionError(f"{name}: must be a day or when a bar of {freq} began, got {began!r}")
    midnight = datetime(began.year, began.month, began.day)
    moment = in_utc(began) if isinstance(began, datetime) else midnight
    number, rest = divmod(moment - _EPOCH, _step(freq))
    if rest:
        raise OptionError(
            f"{name}: no bar of {freq} begins at {moment} UTC; is it of another freq?"
        )
    return int(number)


def beginning(number: int, freq: str) -> datetime:
    """Return when a bar begins, in UTC and without a zone.

    Parameters
    ----------
    number : int
    freq : str
        Of the bars.
    """
    return _EPOCH + number * _step(freq)


def say_bar(number: int, freq: str) -> str:
    """Return when a bar begins as text, without a time where bars are days.

    Parameters
    ----------
    number : int
    freq : str
        Of the bars.
    """
    return f"{beginning(number, freq):{'%Y-%m-%d' if freq == DAILY else '%Y-%m-%d %H:%M'}}"


def _step(freq: str) -> timedelta:
    return timedelta(seconds=FREQS[freq])


def _day(name: str, value: Any) -> int:
    """Return a day as days since 1970."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
        return date(day.year, day.month, day.day).toordinal() - _EPOCH.toordinal()
    except (ValueError, TypeError, AttributeError) as error:
        raise OptionError(f"{name}: must be a day as YYYY-MM-DD, got {value!r}") from error
