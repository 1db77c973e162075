"""Counts and dates as people write them, for messages, commands and pages."""

from typing import Any


def printable(text: str) -> str:
    """Return a text with all that does not print, but for the ends of lines, as escapes.

    Names, headers and cells come from files that anyone may have written: control characters would
    move the cursor, ring, or write what a terminal takes for commands, and marks of direction would
    show a line in another order than it has.

    Parameters
    ----------
    text : str
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


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
