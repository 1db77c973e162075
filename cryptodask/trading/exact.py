"""Sums over coins that are the same in any order and any grouping, so that parts can be joined.

An amount is a whole multiple of a unit, a power of two near 2**-60 of the cash, and its upper and
lower bits are added up apart, as 64-bit integers.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.records import FloatArray

_BITS, _HALF = 60, 2.0**32
_MOST = 2.0**52  # of a part: a thousand parts fit


def whole_sums(amounts: FloatArray, cash: float) -> NDArray[np.int64]:
    """Return sums over coins as whole numbers, which are added up exactly.

    Parameters
    ----------
    amounts : ndarray of float64, ``(n_dates, n_coins)``
        In the quote currency.
    cash : float
        Of the account, in the quote currency, the same for all sums that are added up.

    Returns
    -------
    ndarray of int64, ``(2, n_dates)``
        Upper and lower halves.

    Raises
    ------
    InputError
        The amounts are more than 2**24 times the cash.
    """
    scaled = amounts / _unit(cash)
    upper = np.floor(scaled / _HALF)
    if not np.abs(upper).sum(axis=1).max(initial=0.0) < _MOST:
        raise InputError(
            "simulation: the equity is more than 16 million times the cash, or not a number; look "
            "for prices that jump"
        )
    lower = np.rint(scaled - upper * _HALF)
    return np.stack([half.astype(np.int64).sum(axis=1) for half in (upper, lower)])


def amounts_of(sums: Any, cash: float) -> FloatArray:
    """Return what whole sums stand for, ``(n_dates,)``, in the quote currency.

    Parameters
    ----------
    sums : ndarray of int64, ``(2, n_dates)``
    cash : float
        That they were made with.
    """
    carried = sums[0] + sums[1] // int(_HALF), sums[1] % int(_HALF)
    amounts: FloatArray = (carried[0] * _HALF + carried[1]) * _unit(cash)
    return amounts


def _unit(cash: float) -> float:
    return math.ldexp(1.0, math.frexp(cash)[1] - _BITS)
