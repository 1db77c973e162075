"""Windows over a series, each as growth over its own first value, and back."""

import numpy as np

from cryptodask.records import BoolArray, DateArray, FloatArray, FloatArray32


def windows(values: FloatArray, length: int) -> FloatArray:
    """Return every ``length`` consecutive values, oldest first.

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


def unbroken(dates: DateArray, length: int, step: np.timedelta64) -> BoolArray:
    """Return which of the windows over a series have no gap in them.

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
    even: BoolArray = dates[length - 1 :] - dates[:n] == (length - 1) * step
    return even


def normalize(prices: FloatArray, base: FloatArray) -> FloatArray:
    """Return prices as growth over a base: ``price / base - 1``, no unit.

    Parameters
    ----------
    prices : ndarray of float64, ``(n_rows, n)``
        In the quote currency.
    base : ndarray of float64, ``(n_rows,)``
        The close that each row is measured from, above 0.

    Returns
    -------
    ndarray of float64, ``(n_rows, n)``

    Examples
    --------
    >>> normalize(np.array([[2.0, 3.0]]), np.array([2.0]))
    array([[0. , 0.5]])
    """
    return prices / np.asarray(base)[..., None] - 1.0


def denormalize(growth: FloatArray | FloatArray32, base: FloatArray) -> FloatArray:
    """Return growth over a base as prices again; the inverse of `normalize`.

    Parameters
    ----------
    growth : ndarray of float, ``(n_rows, n)``
    base : ndarray of float64, ``(n_rows,)``
        In the quote currency.

    Returns
    -------
    ndarray of float64, ``(n_rows, n)``
        Prices in the quote currency.
    """
    return (np.asarray(growth, dtype=np.float64) + 1.0) * np.asarray(base)[..., None]
