"""``random``: a prototype predictor for trying the plumbing out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model, rng_for
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Random(Model):
    """A seeded random walk from the last close, with no claim to be right.

    The forecast made at ``t`` is ``y[t + h] = y[t] * exp(e[1] + … + e[h])`` with independent normal
    ``e`` of mean 0 and standard deviation 0.01, a log return a day: so prices stay above 0 and near
    the last one. After Pearson, The Problem of the Random Walk, Nature 72 (1905).

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(Random(), [10.0, 12.0, 11.0], [0, 1, 2], predict=2, coin="Bitcoin").round(2)
    array([11.08, 11.01])
    """

    name: ClassVar[str] = "random"
    learns: ClassVar[bool] = False
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        return 1

    def lookback(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        walks = [
            rng_for(seed, self.name, coin).normal(0.0, 0.01, horizon).cumsum()
            for coin in panel.coins
        ]
        last: FloatArray = panel.values[panel.indptr[1:] - 1]
        growth: FloatArray = np.exp(np.array(walks).reshape(-1, horizon))
        return last[:, None] * growth
