"""The names of coins as files write them."""

import unicodedata
from functools import cache

from cryptodask.prices.read.numbers import MISSING


@cache
def plain_name(name: str) -> str:
    """Return a coin's name as it is told: composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


@cache
def is_name(name: str) -> bool:
    """Tell whether a cell names a coin and can be shown."""
    plain = plain_name(name)
    return plain.isprintable() and plain.lower() not in MISSING
