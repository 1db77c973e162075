"""How long the bars of a table last: an hour, four hours or a day, and never a mixture."""

from collections.abc import Mapping

import numpy as np

from cryptodask.errors import OptionError

FREQS: Mapping[str, int] = {"1h": 3_600, "4h": 14_400, "1d": 86_400}
"""Name of a frequency -> seconds of a bar."""

DAILY = "1d"

_SLACK = 0.05  # snapshots come some seconds early or late


def check_freq(freq: str) -> str:
    """Return a frequency, checked to be one that a table can have.

    Parameters
    ----------
    freq : str
        1h, 4h or 1d.

    Raises
    ------
    OptionError
        It is none.
    """
    if freq not in FREQS:
        raise OptionError(f"freq: must be one of {', '.join(FREQS)}, got {freq!r}")
    return freq


def step_of(freq: str) -> np.timedelta64:
    """Return the time from one bar to the next.

    Parameters
    ----------
    freq : str
        1h, 4h or 1d.

    Returns
    -------
    timedelta64[s]

    Raises
    ------
    OptionError
        It is none of these.
    """
    return np.timedelta64(FREQS[check_freq(freq)], "s")


def name_step(seconds: float) -> str | None:
    """Return the frequency of bars that are ``seconds`` apart; None where no table has it.

    Parameters
    ----------
    seconds : float
        Bars that are several days apart are daily: coins have gaps.
    """
    if seconds >= FREQS[DAILY] * (1 - _SLACK):
        return DAILY
    near = (freq for freq, step in FREQS.items() if abs(seconds - step) <= _SLACK * step)
    return next(near, None)


def bars(freq: str) -> str:
    """Return what messages call the bars: ``days``, ``hours``, or ``bars of 4h``.

    Parameters
    ----------
    freq : str
        How long a bar lasts.
    """
    return _BARS[freq][1] if freq in _BARS else f"bars of {freq}"


def bar(freq: str) -> str:
    """Return what messages call one bar: ``day``, ``hour``, or ``bar of 4h``.

    Parameters
    ----------
    freq : str
        How long a bar lasts.
    """
    return _BARS[freq][0] if freq in _BARS else f"bar of {freq}"


def counted_bars(n: int, freq: str, about: str = "") -> str:
    """Return a number of bars, as ``1 day`` or ``1,200 new hours``.

    Parameters
    ----------
    n : int
    freq : str
        How long a bar lasts.
    about : str
        A word to stand between the two.
    """
    return " ".join(filter(None, (f"{n:,}", about, bar(freq) if n == 1 else bars(freq))))


def long_bars(freq: str) -> str:
    """Return what messages call bars by how long they last: ``daily bars``, ``hourly bars``.

    Parameters
    ----------
    freq : str
        How long a bar lasts.
    """
    return _BARS[freq][2] if freq in _BARS else f"bars of {freq}"


_BARS = {DAILY: ("day", "days", "daily bars"), "1h": ("hour", "hours", "hourly bars")}
