"""``ridge_features``: each coin's next returns from declared features, one fit a coin."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.errors import ForecastError, OptionError, VersionError
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.blas import one_blas_thread
from cryptodask.models.learned import Learned
from cryptodask.models.regression.declared import (
    declared,
    latest_features,
    missing_feature_error,
    some_at_a_time,
)
from cryptodask.records import FloatArray, IntArray, Panel

STILL = 1e-12
"""A feature that deviates by less does not vary: closes have no more digits."""


@dataclass(frozen=True)
class RidgeFeatures(Model):
    """Ridge regression of the returns ahead on declared features, one fit a coin and step.

    With features ``x`` and the target ``y[h]`` of step ``h`` it is ``y[h] = a[h] + x · w[h]``,
    where ``a`` and ``w`` are those of the least ``sum((y - predicted)**2) + alpha * sum(w**2)``
    over the coin's rows. It is direct: each step ahead has weights for itself, so that no feature
    has to be known of days to come. Features are standardised over the coin's rows, so that one
    ``alpha`` means the same for all; the intercept is not penalised. Rows count where all features
    and the target are known, of all segments between gaps together; no feature or target lies
    across a gap.

    Features that depend on other coins are refused: a coin is fitted where it lies, and sees no
    other. ``pooled_linear`` has them.

    After Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems,
    Technometrics 12 (1970).

    Attributes
    ----------
    features : str
        As ``lag:1-5 std:10``; see `cryptodask.features.space.FeatureSpace.parse`.
    target : str
        ``price``, ``return``, ``log_return`` or ``scaled``.
    normalise : str
        ``none``, ``window`` or ``coin``, which is the same as ``none`` here, since all are
        standardised over the coin in any case.
    alpha : float
        Penalty on the squared weights of the standardised features, above 0.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> closes = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0, 11.0]
    >>> model = RidgeFeatures(features="lag:1", alpha=0.001)
    >>> predict_one(model, closes, range(8), predict=2).round(2)
    array([10., 11.])
    """

    name: ClassVar[str] = "ridge_features"
    cost: ClassVar[float] = 12.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    learns_horizon: ClassVar[bool] = True

    features: str = "lag:1-5 mean:10 std:10"
    target: str = "log_return"
    normalise: str = "none"
    alpha: float = 100.0

    def __post_init__(self) -> None:
        crossing = self.space.crosses
        if crossing:
            raise OptionError(
                f"ridge_features features: {crossing[0].text} depends on other coins, and each "
                "coin is fitted by itself; use pooled_linear, or leave it out"
            )
        facts = [f.text for f in self.space.features if f.definition.own_kind == "static"]
        if facts:
            raise OptionError(
                f"ridge_features features: {facts[0]} is the same on all days of a coin, and each "
                "coin is fitted by itself; use pooled_linear, or leave it out"
            )
        if self.space.scaling.kind == "global":
            raise OptionError(
                "ridge_features normalise: global is over all coins, and each coin is fitted by "
                "itself; use coin"
            )
        if not 0 < self.alpha < np.inf:
            raise OptionError(f"ridge_features alpha: must be above 0 and finite, got {self.alpha}")

    @property
    def space(self) -> FeatureSpace:
        return declared(self.name, self.features, self.target, self.normalise)

    def min_length(self, horizon: int) -> int:
        rows = self.space.history + horizon  # of one example
        return rows + len(self.space.names)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        k = len(self.space.names)
        intercept = np.full((len(panel), horizon), np.nan)
        weights, mean, scale = np.full((3, len(panel), horizon, k), np.nan)
        with one_blas_thread():
            for chosen in some_at_a_time(panel):
                some = panel.take(chosen)
                rows = self.space.rows(some)
                x, y = self.space.compute(rows), self.space.target.of(rows, horizon)
                for i, a, b in zip(chosen, some.indptr[:-1], some.indptr[1:], strict=True):
                    for step, fitted in _fit(x[a:b], y[a:b], self.alpha):
                        intercept[i, step], weights[i, step], mean[i, step], scale[i, step] = fitted
        arrays = {"intercept": intercept, "weights": weights, "mean": mean, "scale": scale}
        return Learned(panel.coins, arrays)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        last = self.lookback_from(horizon)
        panel = panel if last is None else panel.tail(last)
        steps = known.arrays["intercept"].shape[1]
        if horizon > steps:
            raise VersionError(
                f"{self.name}: it learned {steps} steps ahead and the horizon is {horizon}; train "
                "it for this horizon"
            )
        parts = [
            self._forecast(known, chosen, panel.take(chosen), horizon)
            for chosen in some_at_a_time(panel)
        ]
        return np.concatenate([np.empty((0, horizon)), *parts])

    def lookback_from(self, horizon: int) -> int | None:
        return self.space.lookback

    def explain(self, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, None)

    def _forecast(self, known: Learned, chosen: IntArray, panel: Panel, horizon: int) -> FloatArray:
        """Forecast the coins at some places of what is known."""
        rows = self.space.rows(panel)
        latest = latest_features(self.name, self.space, rows)[:, None]
        intercept, weights, mean, scale = (
            known.arrays[name][chosen, :horizon]
            for name in ("intercept", "weights", "mean", "scale")
        )
        targets = intercept + (weights * ((latest - mean) / scale)).sum(axis=2)
        ends = panel.indptr[1:] - 1
        unit = self.space.target.scale(rows)[ends]
        return self.space.target.prices(targets, panel.values[ends], unit)


Fitted = tuple[float, FloatArray, FloatArray, FloatArray]


def _fit(x: FloatArray, y: FloatArray, alpha: float) -> Iterator[tuple[int, Fitted]]:
    """Yield each step of one coin that has an example: its intercept, weights, means and scales."""
    known = np.isfinite(x).all(axis=1)
    for step, values in enumerate(y.T):
        chosen = known & np.isfinite(values)
        if not chosen.any():
            continue
        known_x, wanted = x[chosen], values[chosen]
        mean, wanted_mean = known_x.mean(axis=0), wanted.mean()
        centred = np.ascontiguousarray(known_x - mean)
        deviation = np.sqrt((centred * centred).mean(axis=0))
        scale = np.where(deviation > STILL * np.maximum(1.0, np.abs(mean)), deviation, np.inf)
        centred /= scale
        inner = centred.T @ centred + alpha * np.eye(centred.shape[1])
        weights = np.linalg.solve(inner, centred.T @ (wanted - wanted_mean))
        yield step, (wanted_mean, weights, mean, scale)
