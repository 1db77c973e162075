"""Counts and dates as people write them, for messages, commands and pages."""

from typing import Any


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, as ``1 coin`` or ``1,200 coins``.

    Parameters
    ----------
    n : int
    noun : str
        In the singular; its plural ends in ``s``.
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def shown_date(date: Any) -> str:
    """Return a date as ``2026-05-31``, with hour and minute unless it is midnight.

    Parameters
    ----------
    date : Timestamp
    """
    return f"{date:%Y-%m-%d}" if date == date.normalize() else f"{date:%Y-%m-%d %H:%M}"
