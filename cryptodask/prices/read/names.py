"""The names of coins as files write them."""

import unicodedata
from functools import cache

from cryptodask.io.formulas import unguard

NAMELESS = ("", "-", "--", "?", "n/a")
"""Cells of a column of coins that name none; ``NA``, ``NULL`` and ``NAN`` are tickers."""


@cache
def plain_name(name: str) -> str:
    """Return a coin's name as tables have it: composed characters, single spaces.

    The apostrophe that our CSV files have before a name such as ``=x`` comes off, from files and
    frames of any kind, since a frame may have been read from such a file.

    Parameters
    ----------
    name : str
        As a file has it.
    """
    return " ".join(unguard(unicodedata.normalize("NFC", name)).split())


def coin_name(name: str) -> str:
    """Return a coin's name as tables have it, and nothing where a cell names none to be shown.

    Parameters
    ----------
    name : str
        As a file has it.
    """
    return plain_name(name) if is_name(name) else ""


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
