"""``historic_mean``: the price returns to its mean at once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class HistoricMean(Model):
    """The mean of all closes, on every day of the horizon.

    A poor forecast of prices that wander, and there to show it. It is statsforecast's
    ``HistoricAverage``; see Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd
    ed., section 5.2.
    """

    name: ClassVar[str] = "historic_mean"
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        """Return 1: a close is its own mean."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        means = np.add.reduceat(panel.values, panel.indptr[:-1]) / panel.lengths
        return np.repeat(means[:, None], horizon, axis=1)
