"""A coin's next return by any regressor of scikit-learn, on the returns before it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.lags import log_returns, window_starts
from cryptodask.models.blas import one_blas_thread
from cryptodask.records import FloatArray, Panel


class Regressor(Protocol):
    """A regressor as scikit-learn has them."""

    def fit(self, x: FloatArray, y: FloatArray) -> object:
        """Fit to windows.

        Parameters
        ----------
        x : ndarray of float64, ``(n, lags)``
        y : ndarray of float64, ``(n,)``
            The return after each window.
        """
        ...

    def predict(self, x: FloatArray) -> FloatArray:
        """Predict the returns after windows, ``(n,)``.

        Parameters
        ----------
        x : ndarray of float64, ``(n, lags)``
        """
        ...


def check_lags(model: str, lags: int, max_rows: int) -> None:
    """Check the options that all regressions on lags have.

    Parameters
    ----------
    model : str
        Its name, for the message.
    lags : int
        Returns in a window, a bar each.
    max_rows : int
        Windows to fit to.

    Raises
    ------
    OptionError
        One is out of its range.
    """
    if lags < 1:
        raise OptionError(f"{model} lags: must be at least 1, got {lags}")
    if max_rows < lags + 2:
        raise OptionError(
            f"{model} max_rows: must be at least {lags + 2}, two more than lags, got {max_rows}"
        )


def shortest(lags: int) -> int:
    """Return the fewest rows without a gap that have more windows than lags.

    Parameters
    ----------
    lags : int
        Returns in a window.
    """
    return 2 * lags + 2


def forecast_by_lags(
    panel: Panel, horizon: int, lags: int, max_rows: int, make: Callable[[str], Regressor]
) -> FloatArray:
    """Fit a regressor to the windows of each coin and forecast recursively.

    Each log return is predicted from the ``lags`` before it, all of them over the coin's own
    standard deviation, so that one option means the same for a calm coin as for a wild one. No
    window lies across a gap; those of all segments between gaps are fitted to together. Each
    predicted return enters the next window, and is held within the returns that the regressor was
    fitted to: outside of them a curve of degree three runs away, and recursion makes it worse.
    Prices are the last close times the exponential of the returns added up.

    Parameters
    ----------
    panel : Panel
        Each of whose coins has ``2 * lags + 2`` rows after its last gap.
    horizon, lags : int
        Bars ahead, and returns in a window.
    max_rows : int
        Windows to fit to, the latest ones.
    make : callable
        From a coin's name to a regressor that was not fitted yet.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency.
    """
    returns, linked = log_returns(panel)
    begin_here = window_starts(linked, lags + 1)
    last = panel.values[panel.indptr[1:] - 1]
    ahead = np.empty((len(panel), horizon))
    with one_blas_thread():
        for i, coin in enumerate(panel.coins):
            a, b = panel.indptr[i], panel.indptr[i + 1]
            begins = a + np.flatnonzero(begin_here[a:b])[-max_rows:]
            windows = returns[begins[:, None] + np.arange(lags + 1)]
            latest = returns[b - 1 - lags : b - 1]
            ahead[i] = _recursion(make(coin), windows, latest, horizon)
    with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
        growth: FloatArray = np.exp(np.cumsum(ahead, axis=1))
        return last[:, None] * growth


def _recursion(
    regressor: Regressor, windows: FloatArray, latest: FloatArray, horizon: int
) -> FloatArray:
    """Fit to windows ``(n, lags + 1)`` and return the ``horizon`` log returns after the latest."""
    scale = float(windows.std()) or 1.0
    x, y = windows[:, :-1] / scale, windows[:, -1] / scale
    regressor.fit(x, y)
    lags, low, high = len(latest), y.min(), y.max()
    seen = np.concatenate([latest / scale, np.empty(horizon)])
    for step in range(horizon):
        predicted = np.ravel(regressor.predict(seen[None, step : step + lags]))[0]
        seen[lags + step] = min(max(predicted, low), high)
    return seen[lags:] * scale
