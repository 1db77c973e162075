"""``ridge``: each coin's next return from its last ones, all coins at once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.lags import lag_moments, log_returns, window_starts
from cryptodask.models.base import Gaps, Model
from cryptodask.models.learned import Learned
from cryptodask.records import BoolArray, FloatArray, Panel

STILL, STILLER = 1e-12, 1e-6
"""A lag does not vary if it varies by less, in log return or as a share of the coin's other lags:
closes have no more digits, nor have sums of squares that one great leap went into."""


@dataclass(frozen=True)
class Ridge(Model):
    """Ridge regression of the next log return on the last ones, one fit a coin.

    With log returns ``r`` and lags ``x[i] = (r[t - i] - mean) / deviation`` it is
    ``r[t + 1] = a + w[0] * x[0] + … + w[lags - 1] * x[lags - 1]``, where ``a`` and ``w`` are those
    of the least ``sum((r - predicted)**2) + alpha * sum(w**2)`` over the coin's windows. Lags are
    standardised so that one ``alpha`` means the same for a calm coin as for a wild one; the
    intercept is not penalised. Of one coin it is scikit-learn's
    ``make_pipeline(StandardScaler(), Ridge(alpha))``, here in closed form for all coins of a panel.
    A forecast is recursive: each predicted return enters the next window. Prices are the last close
    times the exponential of the returns added up.

    No window of returns lies across a gap; those of all segments between gaps are fitted to
    together.

    After Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems,
    Technometrics 12 (1970).

    Attributes
    ----------
    lags : int
        Returns from which the next one is predicted, a bar each.
    alpha : float
        Penalty on the squared coefficients of the standardised lags, above 0. It weighs as much as
        that many windows without any relation between returns.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> closes = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0]
    >>> predict_one(Ridge(lags=1, alpha=0.001), closes, range(6), predict=3).round(2)
    array([10., 11., 10.])
    """

    name: ClassVar[str] = "ridge"
    cost: ClassVar[float] = 3.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    batches_dates: ClassVar[bool] = True

    lags: int = 10
    alpha: float = 100.0

    def __post_init__(self) -> None:
        if self.lags < 1:
            raise OptionError(f"ridge lags: must be at least 1, got {self.lags}")
        if not 0 < self.alpha < np.inf:
            raise OptionError(f"ridge alpha: must be above 0 and finite, got {self.alpha}")

    def min_length(self, horizon: int) -> int:
        return 2 * self.lags + 2  # as many windows as coefficients

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        returns, linked = log_returns(panel)
        # What overflows is not finite in the end, and of that coin alone.
        with np.errstate(over="ignore", invalid="ignore"):
            intercept, weights = self._fit(returns, window_starts(linked, self.lags + 1), panel)
        return Learned(panel.coins, {"intercept": intercept, "weights": weights.T})

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        panel = panel.tail(self.lags + 1)
        returns, _ = log_returns(panel)
        intercept, weights = known.arrays["intercept"], known.arrays["weights"].T
        with np.errstate(over="ignore", invalid="ignore"):
            latest = panel.indptr[1:] - 1 + np.arange(-self.lags, 0)[:, None]
            seen = np.concatenate([returns[latest], np.empty((horizon, len(panel)))])
            for step in range(horizon):
                # Lag by lag, since the order of a product's sums may depend on its shape.
                ahead = intercept
                for weight, lag in zip(weights, seen[step : step + self.lags], strict=True):
                    ahead = ahead + weight * lag
                seen[self.lags + step] = ahead
            growth: FloatArray = np.exp(np.cumsum(seen[self.lags :], axis=0))
            return (panel.values[panel.indptr[1:] - 1] * growth).T

    def lookback_from(self, horizon: int) -> int:
        return self.lags + 1

    def _fit(
        self, returns: FloatArray, begins: BoolArray, panel: Panel
    ) -> tuple[FloatArray, FloatArray]:
        """Return intercepts ``(n_coins,)`` and weights ``(lags, n_coins)``, oldest lag first."""
        moments = lag_moments(returns, begins, panel, self.lags + 1)
        spread = np.sqrt(np.einsum("ijj->ij", moments.scatter)[:, :-1] / moments.count[:, None])
        least = np.fmax(STILL, STILLER * np.fmax.reduce(spread, axis=1))
        scale = np.where(spread > least[:, None], spread, 1.0)
        inner = moments.scatter[:, :-1, :-1] / (scale[:, :, None] * scale[:, None, :])
        outer = moments.scatter[:, :-1, -1] / scale
        penalty = self.alpha * np.eye(self.lags)
        weights = (np.linalg.solve(inner + penalty, outer[:, :, None])[:, :, 0] / scale).T
        intercept = moments.mean[:, -1]
        for weight, mean in zip(weights, moments.mean.T[:-1], strict=True):
            intercept = intercept - weight * mean
        return intercept, weights
