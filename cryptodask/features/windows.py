"""Windows over a series, each as growth over its own first value, and back."""

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import DateArray, FloatArray


def windows(values: FloatArray, length: int) -> FloatArray:
    """Return every run of ``length`` consecutive values, oldest first.

    Parameters
    ----------
    values : ndarray, ``(n,)``
    length : int
        At least 1.

    Returns
    -------
    ndarray, ``(max(n - length + 1, 0), length)``
        A view: it costs no memory and must not be written to.
    """
    if len(values) < length:
        return np.empty((0, length))
    view: FloatArray = np.lib.stride_tricks.sliding_window_view(values, length)
    return view


def unbroken(dates: DateArray, length: int, step: np.timedelta64) -> NDArray[np.bool_]:
    """Tell which of the windows over a series have no gap in them.

    Parameters
    ----------
    dates : ndarray of datetime64, ``(n,)``
        In order.
    length : int
        Rows of a window, at least 1.
    step : timedelta64
        From a bar to the next.

    Returns
    -------
    ndarray of bool, ``(max(n - length + 1, 0),)``
    """
    n = max(len(dates) - length + 1, 0)
    whole: NDArray[np.bool_] = dates[length - 1 :] - dates[:n] == (length - 1) * step
    return whole


def normalize(prices: FloatArray, base: FloatArray) -> FloatArray:
    """Return prices as growth over a base: ``price / base - 1``, no unit.

    Parameters
    ----------
    prices : ndarray, ``(..., n)``
    base : ndarray, ``(...)``
        The close that each row is measured from, above 0.
    """
    return prices / np.asarray(base)[..., None] - 1.0


def denormalize(growth: FloatArray | NDArray[np.float32], base: FloatArray) -> FloatArray:
    """Return growth over a base as prices again; the inverse of `normalize`."""
    return (np.asarray(growth, dtype=np.float64) + 1.0) * np.asarray(base)[..., None]
