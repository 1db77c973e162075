"""``ensemble``: the mean or median of several models' forecasts."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.models.base import Gaps, Model
from cryptodask.models.combine.members import (
    columns_of,
    forecast_member,
    learn_members,
    libraries_of,
    members_lookback,
)
from cryptodask.models.combine.past import create_members, forecast_with_all, past_errors
from cryptodask.models.learned import Learned
from cryptodask.records import FloatArray, Panel

HOW = ("mean", "median", "inverse_error")


@dataclass(frozen=True)
class Ensemble(Model):
    """A combination of the forecasts of several models, coin by coin.

    Of members ``m`` it is ``sum(w[m] * y[m])``, with weights of the sum 1 that are the same at all
    steps ahead, or at each step the median. ``mean`` weighs all the same; ``inverse_error`` weighs
    each member by the inverse of its mean squared error of log prices at past origins of the very
    coin; where a coin has no origin at which all members could forecast, they weigh the same.

    See Bates and Granger, The Combination of Forecasts, Operational Research Quarterly 20 (1969);
    Timmermann, Forecast Combinations, Handbook of Economic Forecasting 1 (2006).

    Attributes
    ----------
    members : tuple of str
        Models of the catalog, at least one, with their default options; none that is trained on
        all coins together or has members itself.
    how : str
        ``mean``, ``median`` or ``inverse_error``.
    inner : int
        Past origins that weights are learnt from, a horizon apart, at least 1.
    """

    name: ClassVar[str] = "ensemble"

    members: tuple[str, ...] = ("naive", "drift", "ridge")
    how: str = "mean"
    inner: int = 8

    def __post_init__(self) -> None:
        if self.how not in HOW:
            raise OptionError(f"ensemble how: must be one of {', '.join(HOW)}, got {self.how!r}")
        if self.inner < 1:
            raise OptionError(f"ensemble inner: must be at least 1, got {self.inner}")
        create_members(self.name, self.members, 1)

    @cached_property
    def _models(self) -> tuple[Model, ...]:
        return create_members(self.name, self.members, 1)

    @property
    def cost(self) -> float:
        fits = self.inner + 1 if self.how == "inverse_error" else 1
        return fits * sum(member.cost for member in self._models)

    @property
    def needs_variation(self) -> bool:
        return any(member.needs_variation for member in self._models)

    @property
    def gaps(self) -> Gaps:
        split = any(member.gaps == "split" for member in self._models)
        return "split" if split else "leave"

    def min_length(self, horizon: int) -> int:
        return max(member.min_length(horizon) for member in self._models)

    @property
    def learns(self) -> bool:
        return self.how == "inverse_error" or any(member.learns for member in self._models)

    @property
    def learns_horizon(self) -> bool:
        return self.how == "inverse_error" or any(m.learns_horizon for m in self._models)

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self._models)

    @property
    def libraries(self) -> tuple[str, ...]:
        return libraries_of(self._models)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        if not len(panel):
            return np.empty((0, horizon))
        values = forecast_with_all(self._models, panel, horizon, seed)
        return self._combine(values, self._weights(panel, horizon, seed))

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        """Return what the members learn, and their weights; see `Model.learn`.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        horizon, seed : int

        Raises
        ------
        ForecastError
            A member can't learn of a coin.
        VersionError
            What a member learns can't be kept.
        """
        arrays, failed = learn_members(self, self._models, panel, horizon, seed)
        for coin, message in failed.items():
            raise ForecastError(f"{coin}: {message}")
        if self.how == "inverse_error":
            arrays["weights"] = np.ascontiguousarray(self._weights(panel, horizon, seed).T)
        return Learned(panel.coins, arrays)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        values = np.empty((len(self._models), len(panel), horizon))
        for k, member in enumerate(self._models):
            values[k], failed = forecast_member(known, k, member, panel, horizon, seed)
            for coin, message in failed.items():
                raise ForecastError(f"{coin}: member {member.name}: {message}")
        weights = known.arrays["weights"].T if self.how == "inverse_error" else self._same(panel)
        return self._combine(values, weights)

    def lookback_from(self, horizon: int) -> int | None:
        return members_lookback(self._models, horizon)

    def _combine(self, values: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the combination of forecasts ``(n_members, n_coins, horizon)``."""
        if self.how == "median":
            median: FloatArray = np.median(values, axis=0)
            return median
        combined = np.zeros(values.shape[1:])
        for weight, forecast in zip(weights, values, strict=True):  # one after the other: the same
            combined += weight[:, None] * forecast  # sum in a panel of any number of coins
        return combined

    def _same(self, panel: Panel) -> FloatArray:
        """Return weights that are the same for all members, ``(n_members, n_coins)``."""
        return np.full((len(self._models), len(panel)), 1 / len(self._models))

    def _weights(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Return weights ``(n_members, n_coins)`` of sum 1."""
        if self.how != "inverse_error":
            return self._same(panel)
        squares = past_errors(self._models, panel, horizon, self.inner, seed) ** 2
        seen = np.logical_and.reduce(np.isfinite(squares), axis=1)[:, None]  # by all members
        count = seen.sum(axis=(0, 3))
        total = np.zeros((squares.shape[1], len(panel)))
        for origin, usable in zip(squares, seen, strict=True):
            for step in range(horizon):
                total += np.where(usable[..., step], origin[..., step], 0.0)
        # No error at all would weigh infinitely; errors this small are rounding.
        precision = 1 / np.maximum(total / np.maximum(count, 1), 1e-16)
        precision[:, count[0] == 0] = 1.0
        weights: FloatArray = precision / precision.sum(axis=0)
        return weights
