"""``auto``: the member that beat ``naive`` on the coin's own past, by as much as that is sure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.models.base import Model
from cryptodask.models.baseline.naive import Naive
from cryptodask.models.combine.members import (
    columns_of,
    forecast_member,
    learn_members,
    libraries_of,
    members_lookback,
)
from cryptodask.models.combine.past import create_members, forecast_with, past_errors
from cryptodask.models.learned import Learned
from cryptodask.records import FloatArray, IntArray, Panel

FEWEST = 8
"""Past origins at which a coin has to have been forecast before a member gets any weight."""


@dataclass(frozen=True)
class Auto(Model):
    """The best of several models on a coin's own past, shrunk towards ``naive``.

    At each of the last ``inner`` origins of a coin, a horizon apart, every member's mean absolute
    error of log prices is compared with naive's. The member of the highest ``t``, mean gain over
    its standard error, is combined with naive in logs, with the weight
    ``max(0, 1 - shrinkage / t**2)``. So a member that was not better by more than chance may bring
    has no weight, which is so of most coins, and the forecast is naive's to the bit; as it is of
    coins with fewer than eight such origins, and of members that can't forecast the coin.

    The weight is the positive-part estimator of James and Stein, Estimation with Quadratic Loss,
    Proceedings of the Fourth Berkeley Symposium 1 (1961), of a gain in units of its standard error.

    Attributes
    ----------
    members : tuple of str
        Models of the catalog beside naive, at least one, with their default options; none that is
        trained on all coins together or has members itself.
    inner : int
        Past origins, at least 8.
    shrinkage : float
        At least 0; of 4, a member needs a ``t`` above 2 to have any weight.
    """

    name: ClassVar[str] = "auto"
    learns_horizon: ClassVar[bool] = True

    members: tuple[str, ...] = ("drift", "ridge")
    inner: int = 24
    shrinkage: float = 4.0

    def __post_init__(self) -> None:
        if self.inner < FEWEST:
            raise OptionError(f"auto inner: must be at least {FEWEST}, got {self.inner}")
        if not 0 <= self.shrinkage < np.inf:
            raise OptionError(f"auto shrinkage: must be at least 0 and finite: {self.shrinkage}")
        if "naive" in self.members:
            raise OptionError("auto members: naive is always there; name others beside it")
        create_members(self.name, self.members, 1)

    @cached_property
    def _models(self) -> tuple[Model, ...]:
        return create_members(self.name, self.members, 1)

    @property
    def cost(self) -> float:
        return (self.inner + 1) * (Naive().cost + sum(member.cost for member in self._models))

    def min_length(self, horizon: int) -> int:
        return 1  # a coin too young for evidence is forecast as it is by naive

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self._models)

    @property
    def libraries(self) -> tuple[str, ...]:
        return libraries_of(self._models)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        def forecasts_of(place: int, chosen: IntArray) -> FloatArray:
            return forecast_with(self._models[place], panel.take(chosen), horizon, seed)[0]

        weighed = self._weigh(panel, horizon, seed)
        return self._combine(Naive().forecast(panel, horizon, seed), *weighed, forecasts_of)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        best, weight = self._weigh(panel, horizon, seed)
        places = np.arange(len(self._models))[:, None]
        wanted = (best == places) & (weight > 0)
        # Of what a member can't learn of, it has no forecast, and naive has one.
        arrays, _ = learn_members(self, self._models, panel, horizon, seed, wanted)
        return Learned(panel.coins, {"best": best, "weight": weight, **arrays})

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        def forecasts_of(place: int, chosen: IntArray) -> FloatArray:
            some = panel.take(chosen)
            parts = known.take(some.coins)
            return forecast_member(parts, place, self._models[place], some, horizon, seed)[0]

        weighed = known.arrays["best"], known.arrays["weight"]
        return self._combine(Naive().forecast(panel, horizon, seed), *weighed, forecasts_of)

    def lookback_from(self, horizon: int) -> int | None:
        return members_lookback(self._models, horizon)

    def _combine(
        self,
        naive: FloatArray,
        best: IntArray,
        weight: FloatArray,
        forecasts_of: Callable[[int, IntArray], FloatArray],
    ) -> FloatArray:
        """Return naive's forecasts ``(n_coins, horizon)``, moved towards the best members'.

        ``forecasts_of`` returns those of a member, by its place, of the coins at some places.
        """
        ahead = naive.copy()
        for m in range(len(self._models)):
            chosen = np.flatnonzero((best == m) & (weight > 0))
            if not len(chosen):
                continue
            forecast = forecasts_of(m, chosen)
            # What the member can't forecast, or forecasts as no price, stays as naive has it.
            is_price = np.isfinite(forecast).all(axis=1) & (forecast > 0).all(axis=1)
            kept = chosen[is_price]
            growth = np.log(forecast[is_price]) - np.log(naive[kept])
            ahead[kept] = naive[kept] * np.exp(weight[kept, None] * growth)
        return ahead

    def _weigh(self, panel: Panel, horizon: int, seed: int) -> tuple[IntArray, FloatArray]:
        """Return each coin's best member, by place, and its weight, ``(n_coins,)`` each."""
        members = (Naive(), *self._models)
        errors = np.abs(past_errors(members, panel, horizon, self.inner, seed))
        loss = errors.transpose(3, 0, 1, 2)
        mean = _sum(loss) / horizon  # NaN at an origin with a gap after it
        gain = mean[:, :1] - mean[:, 1:]
        seen = np.isfinite(gain)
        count = np.maximum(seen.sum(axis=0), 2)
        average = _sum(np.where(seen, gain, 0.0)) / count
        spread = _sum(np.where(seen, gain - average, 0.0) ** 2) / (count - 1)
        error = np.sqrt(spread / count)
        sure = (seen.sum(axis=0) >= FEWEST) & (average > 0) & (error > 0)
        t = np.where(sure, average / np.where(error > 0, error, 1.0), 0.0)
        best = t.argmax(axis=0)
        highest = t.max(axis=0)
        squared = np.where(highest > 0, highest, 1.0) ** 2
        weight = np.where(highest > 0, np.maximum(0.0, 1 - self.shrinkage / squared), 0.0)
        return best, weight


def _sum(values: FloatArray) -> FloatArray:
    """Add along the first axis one after the other, in the same order for any number of coins."""
    total: FloatArray = sum(values[1:], start=values[0])
    return total
