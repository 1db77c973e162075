"""A coin's next return by any regressor of scikit-learn, on the returns before it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cryptodask.errors import ContractError, OptionError, VersionError
from cryptodask.features.lags import log_returns, window_starts
from cryptodask.models.base import Model, cannot_be_kept
from cryptodask.models.blas import one_blas_thread
from cryptodask.models.learned import Learned, ragged
from cryptodask.models.packed import Bytes
from cryptodask.models.regression.estimators import keep, restore
from cryptodask.records import REAL, FloatArray, Panel


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
    with one_blas_thread():
        fits = (fit for fit, _, _ in _fits(panel, lags, max_rows, make))
        return _recursions(panel, horizon, lags, fits)


def learn_by_lags(
    model: Model, panel: Panel, lags: int, max_rows: int, make: Callable[[str], Regressor]
) -> Learned:
    """Return the regressors of `forecast_by_lags` as arrays.

    Parameters
    ----------
    model : Model
        For messages.
    panel : Panel
        Of ``(n_coins,)``.
    lags, max_rows : int
        Returns in a window, and windows to fit to.
    make : callable
        From a coin's name to a regressor that was not fitted yet.

    Returns
    -------
    Learned
        ``scale``, ``low`` and ``high``, ``(n_coins,)`` each, and ``estimator``, ragged bytes.

    Raises
    ------
    VersionError
        A regressor has parts that are not numbers, without which it predicts something else.
    """
    template = _template(make, lags)
    bounds, kept = [], []
    with one_blas_thread():
        fits = _fits(panel, lags, max_rows, make)
        for coin, (fit, x, y) in zip(panel.coins, fits, strict=True):
            packed, others = keep(fit.regressor, x, y)
            what = f"{coin}: {model.name}"
            if not _predicts_the_same(fit.regressor, make(coin), packed, template, x, what):
                parts = ", ".join(others) or "some that it computes"
                raise cannot_be_kept(model, f"it has parts that are not numbers ({parts})")
            bounds.append((fit.scale, fit.low, fit.high))
            kept.append(packed)
    scale, low, high = np.array(bounds).T.copy()
    arrays = {"scale": scale, "low": low, "high": high}
    return Learned(panel.coins, {**arrays, **ragged("estimator", kept)})


def forecast_by_kept(
    model: Model,
    known: Learned,
    panel: Panel,
    horizon: int,
    lags: int,
    make: Callable[[str], Regressor],
) -> FloatArray:
    """Forecast by regressors that were kept; see `forecast_by_lags`.

    Parameters
    ----------
    model : Model
        For messages.
    known : Learned
        Of `learn_by_lags`, of the panel's coins.
    panel : Panel
    horizon, lags : int
        Bars ahead, and returns in a window.
    make : callable
        From a coin's name to a regressor that was not fitted yet.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency.
    """
    template = _template(make, lags)
    bounds = (known.arrays[name].tolist() for name in ("scale", "low", "high"))
    with one_blas_thread():
        fits = (
            Fit(
                restore(make(coin), known.of("estimator", i), template, f"{coin}: {model.name}"), *b
            )
            for i, (coin, b) in enumerate(zip(panel.coins, zip(*bounds, strict=True), strict=True))
        )
        return _recursions(panel.tail(lags + 1), horizon, lags, fits)


@dataclass(frozen=True, eq=False)
class Fit:
    """A regressor that was fitted to a coin.

    Attributes
    ----------
    regressor : Regressor
    scale : float
        The standard deviation of the coin's log returns.
    low, high : float
        The least and the greatest return that it was fitted to, over that.
    """

    regressor: Regressor
    scale: float
    low: float
    high: float


def _fits(
    panel: Panel, lags: int, max_rows: int, make: Callable[[str], Regressor]
) -> Iterator[tuple[Fit, FloatArray, FloatArray]]:
    """Yield each coin's regressor, the windows ``(n, lags)`` and targets ``(n,)`` it is fitted to.

    One by one, since some regressors take much memory.
    """
    returns, linked = log_returns(panel)
    begin_here = window_starts(linked, lags + 1)
    for coin, a, b in zip(panel.coins, panel.indptr[:-1], panel.indptr[1:], strict=True):
        begins = a + np.flatnonzero(begin_here[a:b])[-max_rows:]
        windows = returns[begins[:, None] + np.arange(lags + 1)]
        scale = float(windows.std()) or 1.0
        x, y = windows[:, :-1] / scale, windows[:, -1] / scale
        regressor = make(coin)
        regressor.fit(x, y)
        yield Fit(regressor, scale, float(y.min()), float(y.max())), x, y


def _recursions(panel: Panel, horizon: int, lags: int, fits: Iterable[Fit]) -> FloatArray:
    """Return the prices ahead of each coin's last row, ``(n_coins, horizon)``."""
    returns, _ = log_returns(panel)
    last = panel.values[panel.indptr[1:] - 1]
    ahead = np.empty((len(panel), horizon))
    for i, (end, fit) in enumerate(zip(panel.indptr[1:] - 1, fits, strict=True)):
        seen = np.concatenate([returns[end - lags : end] / fit.scale, np.empty(horizon)])
        for step in range(horizon):
            predicted = _number(fit.regressor, seen[None, step : step + lags])
            seen[lags + step] = min(max(predicted, fit.low), fit.high)
        ahead[i] = seen[lags:] * fit.scale
    with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
        growth: FloatArray = np.exp(np.cumsum(ahead, axis=1))
        return last[:, None] * growth


def _number(regressor: Regressor, x: FloatArray) -> float:
    """Return what a regressor predicts of one window, ``(1, lags)``.

    Raises
    ------
    ContractError
        It is several numbers, none, or not a number.
    """
    predicted = np.asarray(regressor.predict(x))
    if predicted.size != 1 or predicted.dtype.kind not in REAL:
        raise ContractError(
            f"{type(regressor).__name__}: predict returned shape {predicted.shape} of "
            f"{predicted.dtype} for one row; it must return numbers, one a row, shape (n_rows,)"
        )
    return float(predicted.ravel()[0])


def _template(make: Callable[[str], Regressor], lags: int) -> Regressor:
    """Return a regressor that was fitted to random windows."""
    windows = np.random.default_rng(0).normal(size=(max(64, 2 * lags), lags + 1))
    regressor = make("")
    regressor.fit(windows[:, :-1], windows[:, -1])
    return regressor


def _predicts_the_same(
    fitted: Regressor,
    fresh: Regressor,
    packed: Bytes,
    template: Regressor,
    x: FloatArray,
    what: str,
) -> bool:
    """Whether what is restored predicts the same bits as what was fitted."""
    x = x.copy()  # or else products with itself, where that is kept, are computed another way
    expected = fitted.predict(x)
    try:
        values = restore(fresh, packed, template, what).predict(x)
    except (AttributeError, ValueError, TypeError, VersionError):  # not fitted is a ValueError
        return False
    return np.array_equal(np.ravel(expected), np.ravel(values))
