"""Sums of products that are exact, so that they are the same in any order and any grouping.

Numbers are rounded to whole multiples of `UNIT` and kept in two halves of 20 bits. Products of
halves over a few thousand rows stay whole numbers below 2**53, which a matrix product of floats
adds up without rounding, whatever the order in which it does so. So exactness costs four products
where one would do, and sums are whole numbers of any size.

The splitting is that of Ozaki et al., Error-free transformations of matrix multiplication by using
fast routines of matrix multiplication, Numerical Algorithms 59 (2012).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import FloatArray

BigIntArray = NDArray[Any]
"""Of dtype object: Python's integers, which have no largest one."""

LIMIT = 2.0**10
"""Beyond which a number counts as this."""

UNIT = 2.0**-30
"""What a whole number stands for; products are in units of its square."""

_HALF = 2.0**20
_ROWS = 4_096  # halves of at most 2**20: products add up to 2**52 at most
_BLOCKS = 1_024  # of at most 2**52 each: 2**62 in an int64


def exact_products(left: FloatArray, right: FloatArray) -> BigIntArray:
    """Return ``left.T @ right``, exactly, of numbers that were rounded and limited.

    Parameters
    ----------
    left : ndarray of float64, ``(n, a)``
    right : ndarray of float64, ``(n, b)``

    Returns
    -------
    ndarray of int, ``(a, b)``
        In units of ``UNIT**2``.
    """
    a, b = left.shape[1], right.shape[1]
    total: BigIntArray = np.zeros((2 * a, 2 * b), dtype=object)
    for first in range(0, len(left), _ROWS * _BLOCKS):
        part = np.zeros((2 * a, 2 * b), dtype=np.int64)
        for start in range(first, min(first + _ROWS * _BLOCKS, len(left)), _ROWS):
            rows = slice(start, start + _ROWS)
            part += (_halves(left[rows]).T @ _halves(right[rows])).astype(np.int64)
        total = total + part.astype(object)
    high = int(_HALF)
    products: BigIntArray = (
        total[:a, :b] * high**2 + (total[:a, b:] + total[a:, :b]) * high + total[a:, b:]
    )
    return products


def rounded(values: FloatArray) -> FloatArray:
    """Return numbers as they count in `exact_products`.

    Parameters
    ----------
    values : ndarray of float64, any shape such as ``(n, m)``

    Returns
    -------
    ndarray of float64, ``(n, m)``
    """
    result: FloatArray = np.rint(values.clip(-LIMIT, LIMIT) / UNIT) * UNIT
    return result


def _halves(values: FloatArray) -> FloatArray:
    """Return upper halves and then lower ones, ``(n, 2 * m)``."""
    units = np.rint(values.clip(-LIMIT, LIMIT) / UNIT)
    upper = np.rint(units / _HALF)
    return np.concatenate([upper, units - upper * _HALF], axis=1)
