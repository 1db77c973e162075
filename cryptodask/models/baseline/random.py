"""``random``: a prototype predictor for trying the plumbing out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model, rng_for
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Random(Model):
    """A seeded random walk from the last close, with no claim to be right.

    Every step multiplies the price by a log-normal factor of 1% a day, so that prices stay above
    0 and near the last one.
    """

    name: ClassVar[str] = "random"
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        """Return 1: only the last close is used."""
        return 1

    def lookback(self, horizon: int) -> int:
        """Return 1: it starts from the last close."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        walks = [
            rng_for(seed, self.name, coin).normal(0.0, 0.01, horizon).cumsum()
            for coin in panel.coins
        ]
        last: FloatArray = panel.values[panel.indptr[1:] - 1]
        growth: FloatArray = np.exp(np.array(walks).reshape(-1, horizon))
        return last[:, None] * growth
