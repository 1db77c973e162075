"""Log returns and their lags: sums over all whole windows of every coin, without a loop."""

from dataclasses import dataclass

import numpy as np

from cryptodask.records import BoolArray, FloatArray, IntArray, Panel


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

    Parameters
    ----------
    panel : Panel

    Returns
    -------
    returns : ndarray of float64, ``(n_rows,)``
        0 where the next row is of another coin, or is not the next bar; infinite where the two
        closes are further apart than floats can hold.
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


def window_starts(linked: BoolArray, width: int) -> BoolArray:
    """Return at which rows ``width`` returns without a gap begin.

    Parameters
    ----------
    linked : ndarray of bool, ``(n_rows,)``
        Of `log_returns`: the last row of a coin has no return.
    width : int
        At least 1.

    Returns
    -------
    ndarray of bool, ``(n_rows,)``
    """
    begins = np.ones(len(linked), dtype=np.bool_)
    ends = np.flatnonzero(~linked)
    for back in range(width):
        begins[ends[np.searchsorted(ends, back) :] - back] = False
    return begins


def lag_moments(returns: FloatArray, begins: BoolArray, panel: Panel, width: int) -> LagMoments:
    """Sum returns, and products of two, over the windows of each coin.

    From one place to the next the windows of a segment shift by one bar: a sum loses the first
    window's product and gains the last one's. So only the products with the oldest place are
    summed over all rows, ``width`` sums in place of ``width * (width + 1) / 2``.

    Parameters
    ----------
    returns : ndarray of float64, ``(n_rows,)``
        Of `log_returns`.
    begins : ndarray of bool, ``(n_rows,)``
        Of `window_starts`.
    panel : Panel
        Each of whose coins has at least one window.
    width : int
        Returns in a window, at least 1.
    """
    starts, n_rows = panel.indptr[:-1], len(returns)
    count = np.add.reduceat(begins, starts, dtype=np.float64)
    # Centred near the mean first, so that a steady rise does not cost the digits of the scatter.
    no_window = np.flatnonzero(~begins)
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

    first, last, of_coin = _ends_of_segments(near, begins, starts, width)
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


def _ends_of_segments(
    returns: FloatArray, begins: BoolArray, starts: IntArray, width: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return the first and last window of each segment, and where the segments of coins begin.

    Returns
    -------
    first, last : ndarray of float64, ``(n_segments, width)``
    of_coin : ndarray of int64, ``(n_coins,)``
    """
    # A window without a gap ends inside its coin, so no segment reaches into the next coin.
    padded = np.zeros(len(begins) + 2, dtype=np.bool_)
    padded[1:-1] = begins
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    begin, end = edges[::2], edges[1::2] - 1
    places = np.arange(width)
    of_coin = np.searchsorted(begin, starts)
    return returns[begin[:, None] + places], returns[end[:, None] + places], of_coin
