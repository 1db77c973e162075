"""The names of coins as files write them."""

import unicodedata
from functools import cache

NAMELESS = ("", "-", "--", "?", "n/a")
"""Cells of a column of coins that name none; ``NA``, ``NULL`` and ``NAN`` are tickers."""


@cache
def plain_name(name: str) -> str:
    """Return a coin's name as tables have it: composed characters, single spaces.

    Parameters
    ----------
    name : str
        As a file has it.
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


@cache
def is_name(name: str) -> bool:
    """Return whether a cell names a coin and can be shown.

    Parameters
    ----------
    name : str
        As a file has it.
    """
    plain = plain_name(name)
    return plain.isprintable() and plain.lower() not in NAMELESS
