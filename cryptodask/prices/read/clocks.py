"""Stamps in forms that files rarely have, written as the usual ones; and times of day."""

import re
from collections.abc import Iterable
from functools import lru_cache

from cryptodask.errors import UnreadableFileError

_TWELVE = re.compile(
    r"(.*[T ])(0?[1-9]|1[0-2])(?::([0-5][0-9]))?(?::([0-5][0-9]))?[ -]?([AaPp])\.?[Mm]\.?"
)

_TIME_OF_DAY = re.compile(
    r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"|(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?|[01]?[0-9]|2[0-3]|24:?00(?::?00)?"
)

COMPACT = (
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])T?"
    r"(?:(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?|2400(?:00)?)"
)
"""Day and time without anything between them, as ``20200101080000``."""

_COMPACT = re.compile(rf"({COMPACT})(Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?")

_ZONE = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)? ?([A-Za-z][A-Za-z_/]+)")

_NO_ZONES = ("utc", "gmt", "am", "pm")

_ROUNDED = re.compile(r"[1-9](?:\.([0-9]+))?[eE]\+?([0-9]{1,2})")

_DAYS = 4_096  # stamps whose forms are remembered: files of a folder have the same days

_COARSEST = 1_000.0  # seconds that the last digit of a stamp may stand for


@lru_cache(_DAYS)
def is_odd(cell: str) -> bool:
    """Return whether a stamp is in a form that `plain_stamp` writes otherwise.

    Parameters
    ----------
    cell : str
    """
    text = cell.strip()
    return text[-1:] in ("M", "m", ".") or _COMPACT.fullmatch(text) is not None


@lru_cache(_DAYS)
def plain_stamp(cell: str) -> str:
    """Return a stamp by 24 hours and with a colon in its time, and any other cell as it is.

    Parameters
    ----------
    cell : str
    """
    match = _COMPACT.fullmatch(cell.strip())
    if match is None:
        return in_24_hours(cell)
    digits = match[1].replace("T", "").ljust(14, "0")
    day, time = (digits[a:b] for a, b in ((0, 8), (8, 14)))
    return f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{time[4:]}{match[2] or ''}"


def check_stamps(stamps: Iterable[str]) -> None:
    """Refuse stamps that are read the wrong way whatever is taken for them.

    Parameters
    ----------
    stamps : iterable of str
        Of one file.

    Raises
    ------
    UnreadableFileError
        One has the name of a zone, or all have lost their last digits. It names no file.
    """
    finest, rounded = float("inf"), ""
    for stamp in stamps:
        if zone := _zone_of(stamp):
            raise UnreadableFileError(
                f"date: {stamp.strip()!r}: {zone} is not one offset at all places and times of the "
                "year; write stamps in UTC, or with their offset, as 2020-01-31 16:00-05:00"
            )
        finest = min(finest, _resolution(stamp))
        rounded = stamp.strip()
    if _COARSEST < finest < float("inf"):
        raise UnreadableFileError(
            f"date: {rounded!r}: the last digits of stamps are lost, as a spreadsheet loses them; "
            "get the file again with all digits"
        )


@lru_cache(_DAYS)
def _zone_of(stamp: str) -> str:
    """Return the name of a zone at the end of a stamp, if it has one that is not UTC."""
    match = _ZONE.search(stamp.strip())
    if match is None or match.end() < len(stamp.strip()) or match[1].lower() in _NO_ZONES:
        return ""
    return match[1]


@lru_cache(_DAYS)
def _resolution(stamp: str) -> float:
    """Return the seconds that the last digit of a count from 1970 stands for; 0 of others."""
    match = _ROUNDED.fullmatch(stamp.strip())
    if match is None:
        return 0.0
    # A count has ten digits in seconds, thirteen in milliseconds, and so on.
    power = int(match[2])
    return float(10.0 ** (power - len(match[1] or "") - ((power + 1) // 3 * 3 - 9)))


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


def is_clock(cell: str) -> bool:
    """Return whether a cell is a time of day: ``23:59``, ``1:05 pm``, ``235959`` or an hour, ``0``.

    Parameters
    ----------
    cell : str
    """
    return _TIME_OF_DAY.fullmatch(cell.strip()) is not None


def joined_stamp(day: str, clock: str) -> str:
    """Return a stamp of a day and a time of day; the day alone where there is none.

    Parameters
    ----------
    day, clock : str
        Cells; the latter as of `is_clock`.
    """
    time = clock.strip()
    if time.isdigit():
        time = f"{time:0>2}00" if len(time) <= 2 else time.zfill(4 if len(time) <= 4 else 6)
        time = ":".join(time[i : i + 2] for i in range(0, len(time), 2))
    return in_24_hours(f"{day.strip()} {time}") if time else day
