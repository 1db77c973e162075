"""Log returns and their lags: sums over all whole windows of every coin, without a loop."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import FloatArray, Panel

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class LagMoments:
    """Means and sums of products of returns and their lags, over the windows of each coin.

    A window is ``width`` consecutive returns, oldest first; place ``a`` of it is the return ``a``
    bars after its first.

    Attributes
    ----------
    count : ndarray of float64, ``(n_coins,)``
        Windows.
    mean : ndarray of float64, ``(n_coins, width)``
        Mean of each place over the windows.
    scatter : ndarray of float64, ``(n_coins, width, width)``
        Sums over the windows of products of two places, each less its mean.
    """

    count: FloatArray
    mean: FloatArray
    scatter: FloatArray


def log_returns(panel: Panel) -> tuple[FloatArray, BoolArray]:
    """Return the log return from each row to the next.

    Returns
    -------
    returns : ndarray of float64, ``(n_rows,)``
        0 where the next row is of another coin, or is not the next bar; infinite where the two
        closes are further apart than floats can tell.
    linked : ndarray of bool, ``(n_rows,)``
        Whether there is a return.
    """
    linked = np.ones(len(panel.values), dtype=np.bool_)
    if not panel.is_even():
        linked[:-1] = np.diff(panel.dates) == panel.step
    linked[panel.indptr[1:] - 1] = False
    ratio = np.ones(len(panel.values))
    with np.errstate(over="ignore", divide="ignore"):
        np.divide(panel.values[1:], panel.values[:-1], out=ratio[:-1])
        ratio[np.flatnonzero(~linked)] = 1.0
        return np.log(ratio, out=ratio), linked


def whole_windows(linked: BoolArray, width: int) -> BoolArray:
    """Tell at which rows ``width`` returns without a gap begin, ``(n_rows,)``.

    Parameters
    ----------
    linked : ndarray of bool, ``(n_rows,)``
        Of `log_returns`: the last row of a coin has no return.
    width : int
        At least 1.
    """
    whole = np.ones(len(linked), dtype=np.bool_)
    ends = np.flatnonzero(~linked)
    for back in range(width):
        whole[ends[np.searchsorted(ends, back) :] - back] = False
    return whole


def lag_moments(returns: FloatArray, whole: BoolArray, panel: Panel, width: int) -> LagMoments:
    """Sum returns, and products of two, over the windows of each coin.

    From one place to the next the windows of a run shift by one bar: a sum loses the first
    window's product and gains the last one's. So only the products with the oldest place are
    summed over all rows, ``width`` sums in place of ``width * (width + 1) / 2``.

    Parameters
    ----------
    returns, whole
        Of `log_returns` and `whole_windows`.
    panel : Panel
        Every coin of which has at least one window.
    width : int
        Returns in a window, at least 1.
    """
    starts, n_rows = panel.indptr[:-1], len(returns)
    count = np.add.reduceat(whole, starts, dtype=np.float64)
    # Centred near the mean first, so that a steady rise does not cost the digits of the scatter.
    no_window = np.flatnonzero(~whole)
    oldest = returns.copy()
    oldest[no_window] = 0.0
    centre = np.add.reduceat(oldest, starts) / count
    near = np.zeros(n_rows + width)
    np.subtract(returns, np.repeat(centre, panel.lengths), out=near[:n_rows])
    if not np.isfinite(near.sum()):
        # A coin of infinite returns has no mean; the coins beside it must not see them.
        finite = np.isfinite(near[:n_rows])
        centre[~np.logical_and.reduceat(finite, starts)] = np.nan
        near[:n_rows][~finite] = 0.0
    oldest[:] = near[:n_rows]
    oldest[no_window] = 0.0

    product = np.empty(n_rows)
    sums = np.empty((len(panel), width))
    products = np.empty((len(panel), width, width))
    sums[:, 0] = np.add.reduceat(oldest, starts)
    for b in range(width):
        np.multiply(oldest, near[b : b + n_rows], out=product)
        products[:, 0, b] = np.add.reduceat(product, starts)

    first, last, of_coin = _ends_of_runs(near, whole, starts, width)
    lost = np.add.reduceat(first[:, :-1], of_coin, axis=0)
    gained = np.add.reduceat(last[:, 1:], of_coin, axis=0)
    for a in range(width - 1):
        sums[:, a + 1] = sums[:, a] - lost[:, a] + gained[:, a]
        minus = np.add.reduceat(first[:, a, None] * first[:, a:-1], of_coin, axis=0)
        plus = np.add.reduceat(last[:, a + 1, None] * last[:, a + 1 :], of_coin, axis=0)
        products[:, a + 1, a + 1 :] = products[:, a, a:-1] - minus + plus
        products[:, a + 1 :, a] = products[:, a, a + 1 :]
    mean = sums / count[:, None]
    scatter = products - sums[:, :, None] * mean[:, None, :]
    return LagMoments(count, mean + centre[:, None], scatter)


def _ends_of_runs(
    returns: FloatArray, whole: BoolArray, starts: NDArray[np.int64], width: int
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Return the first and last window of every run, and where the runs of each coin begin.

    Returns
    -------
    first, last : ndarray of float64, ``(n_runs, width)``
    of_coin : ndarray of int64, ``(n_coins,)``
    """
    # A window that is whole ends inside its coin, so that no run goes on into the next coin.
    padded = np.zeros(len(whole) + 2, dtype=np.bool_)
    padded[1:-1] = whole
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    begin, end = edges[::2], edges[1::2] - 1
    places = np.arange(width)
    of_coin = np.searchsorted(begin, starts)
    return returns[begin[:, None] + places], returns[end[:, None] + places], of_coin
