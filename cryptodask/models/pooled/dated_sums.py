"""Exact sums of products over the rows of many coins, as of one date or of many."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cryptodask.models.pooled.exact import BigIntArray, exact_products
from cryptodask.records import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows of products; adding is exact, so it may be done in any order.

    Attributes
    ----------
    inner : ndarray of int, ``(ahead, 1 + n_columns, 1 + n_columns)``
        Of a 1 and the features with one another, in units of ``UNIT**2``. Place ``h`` is over the
        rows whose targets are known for ``h + 1`` steps ahead, and no further.
    outer : ndarray of int, ``(1 + n_columns, ahead)``
        Of the same with the targets, over all rows.
    """

    inner: BigIntArray
    outer: BigIntArray

    @classmethod
    def nothing(cls, n_columns: int, ahead: int) -> "Sums":
        """Return the sums over no row.

        Parameters
        ----------
        n_columns : int
            Features.
        ahead : int
            Bars.
        """
        n = 1 + n_columns
        return cls(np.zeros((ahead, n, n), dtype=object), np.zeros((n, ahead), dtype=object))

    @classmethod
    def of(cls, features: FloatArray, targets: FloatArray) -> "Sums":
        """Sum over the rows whose features and first target are known.

        Parameters
        ----------
        features : ndarray of float64, ``(n, n_columns)``
        targets : ndarray of float64, ``(n, ahead)``
        """
        known = known_ahead(features, targets)
        return cls.between(features, targets, np.zeros_like(known), known)

    @classmethod
    def between(
        cls, features: FloatArray, targets: FloatArray, old: IntArray, new: IntArray
    ) -> "Sums":
        """Return by how much sums differ where other targets are known.

        Parameters
        ----------
        features : ndarray of float64, ``(n, n_columns)``
        targets : ndarray of float64, ``(n, ahead)``
        old, new : ndarray of int64, ``(n,)``
            How many targets of each row are known, one after the other from the first on. Where
            there is one, all features are.
        """
        ahead = targets.shape[1]
        sums = cls.nothing(features.shape[1], ahead)
        changed = np.flatnonzero(old != new)
        kind = old[changed] * (ahead + 1) + new[changed]
        order = np.argsort(kind, kind="stable")
        edges = np.flatnonzero(np.diff(kind[order])) + 1
        for chosen in np.split(changed[order], edges):
            if not len(chosen):
                continue
            before, after = int(old[chosen[0]]), int(new[chosen[0]])
            low, high = sorted((before, after))
            x = np.column_stack([np.ones(len(chosen)), features[chosen]])
            products = exact_products(x, np.column_stack([x, targets[chosen, low:high]]))
            inner, outer = products[:, : x.shape[1]], products[:, x.shape[1] :]
            if before:
                sums.inner[before - 1] -= inner
            if after:
                sums.inner[after - 1] += inner
            sums.outer[:, low:high] += outer if after > before else -outer
        return sums

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.inner + other.inner, self.outer + other.outer)


def known_ahead(features: FloatArray, targets: FloatArray) -> IntArray:
    """Return how many targets of each row are known; 0 where a feature is not.

    Parameters
    ----------
    features : ndarray of float64, ``(n, n_columns)``
    targets : ndarray of float64, ``(n, ahead)``

    Returns
    -------
    ndarray of int64, ``(n,)``
    """
    known: IntArray = np.isfinite(targets).cumprod(axis=1).sum(axis=1)
    known[~np.isfinite(features).all(axis=1)] = 0
    return known


def sums_at(
    features: FloatArray, targets: FloatArray, indptr: IntArray, firsts: IntArray, stops: IntArray
) -> Iterator[Sums]:
    """Yield the sums as of each of several dates, each made from those before it.

    Nothing of a row that comes after a date is in its sums: neither the row nor, of earlier ones,
    the targets that reach it.

    Parameters
    ----------
    features : ndarray of float64, ``(n, n_columns)``
    targets : ndarray of float64, ``(n, ahead)``
    indptr : ndarray of int64, ``(n_coins + 1,)``
        Offsets of the coins' rows.
    firsts, stops : ndarray of int64, ``(n_dates, n_coins)``
        The first row that counts, and the end of the rows that are visible.
    """
    ends, rows = known_ahead(features, targets), np.arange(len(features))
    lengths = np.diff(indptr)
    total, old = Sums.nothing(features.shape[1], targets.shape[1]), np.zeros_like(ends)
    for first, stop in zip(firsts, stops, strict=True):
        new = np.minimum(ends, np.repeat(stop - 1, lengths) - rows).clip(0)
        new[rows < np.repeat(first, lengths)] = 0
        total, old = total + Sums.between(features, targets, old, new), new
        yield total
