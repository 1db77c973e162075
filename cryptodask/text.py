"""Counts and dates as people write them, for messages, commands and pages."""

from collections.abc import Sequence
from typing import Any


def printable(text: str, *, one_line: bool = False) -> str:
    """Return a text with all that does not print as escapes.

    Names, headers and cells come from files that anyone may have written: control characters would
    move the cursor, ring, or write what a terminal takes for commands, and marks of direction would
    show a line in another order than it has.

    Parameters
    ----------
    text : str
    one_line : bool
        Whether ends of lines are escaped, too.
    """
    if text.isprintable():
        return text
    kept = "" if one_line else "\n"
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)


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


def shown_names(names: Sequence[str], most: int = 10) -> str:
    """Return the first names of several, and how many more there are.

    Parameters
    ----------
    names : sequence of str
    most : int
        Names that are shown.
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
