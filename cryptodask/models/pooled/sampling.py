"""Which rows of very many are trained on: a sample that does not depend on where coins lie.

Each row has a number drawn from the seed, its coin and its date, and the rows of the least numbers
are the sample: those of all coins can be found part by part, and are the same whatever the parts.
Partitions count their rows by the leading bits of the numbers first, so that the sum of counts
says up to which number rows are wanted, and no others travel.

The draw is that of bottom-k sampling, after Cohen and Kaplan, Summarizing Data using Bottom-k
Sketches, PODC 2007; numbers are mixed as in Steele, Lea and Flood, Fast Splittable Pseudorandom
Number Generators, OOPSLA 2014 (SplitMix64).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import BoolArray, IntArray, Panel

DrawArray = NDArray[np.uint64]

BITS = 12
"""Leading bits by which draws are counted."""

_SHIFT = np.uint64(64 - BITS)


def draws(panel: Panel, seed: int) -> DrawArray:
    """Return the number of each row that decides whether it is in a sample.

    Parameters
    ----------
    panel : Panel
        Of ``(n_rows,)`` in all.
    seed : int

    Returns
    -------
    ndarray of uint64, ``(n_rows,)``
        Uniform, the same of a coin and date wherever the coin lies.
    """
    keys = [hashlib.sha256(f"{seed}\0rows\0{coin}".encode()).digest()[:8] for coin in panel.coins]
    first = np.array([int.from_bytes(key) for key in keys], dtype=np.uint64)
    seconds = panel.dates.astype("datetime64[s]").astype(np.int64).view(np.uint64)
    mixed = np.repeat(first, panel.lengths) + seconds * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    numbers: DrawArray = mixed ^ (mixed >> np.uint64(31))
    return numbers


@dataclass(frozen=True, eq=False)
class RowCounts:
    """How many rows there are, by the leading bits of their draws; adding is exact.

    Attributes
    ----------
    counts : ndarray of int64, ``(2**BITS,)``
    """

    counts: IntArray

    @classmethod
    def of(cls, numbers: DrawArray) -> "RowCounts":
        """Count rows.

        Parameters
        ----------
        numbers : ndarray of uint64, ``(n,)``
        """
        return cls(np.bincount(places(numbers), minlength=2**BITS).astype(np.int64))

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(self.counts + other.counts)

    @property
    def total(self) -> int:
        """All rows."""
        return int(self.counts.sum())

    def last_place(self, most: int) -> int:
        """Return up to which place of `places` rows are needed for a sample.

        Parameters
        ----------
        most : int
            Rows of the sample.
        """
        enough = np.flatnonzero(np.cumsum(self.counts) >= most)
        return int(enough[0]) if len(enough) else 2**BITS - 1


def places(numbers: DrawArray) -> IntArray:
    """Return the leading bits of draws.

    Parameters
    ----------
    numbers : ndarray of uint64, ``(n,)``

    Returns
    -------
    ndarray of int64, ``(n,)``
        From 0 to ``2**BITS - 1``.
    """
    return (numbers >> _SHIFT).astype(np.int64)


def least(numbers: DrawArray, most: int) -> BoolArray:
    """Return which draws are in a sample: the least ones.

    Parameters
    ----------
    numbers : ndarray of uint64, ``(n,)``
        In an order that does not depend on where coins lie.
    most : int
        Rows of the sample.

    Returns
    -------
    ndarray of bool, ``(n,)``
    """
    chosen = np.ones(len(numbers), dtype=np.bool_)
    if len(numbers) > most:
        chosen[np.argsort(numbers, kind="stable")[most:]] = False
    return chosen
