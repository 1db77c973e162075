"""``historic_mean``: the price returns to its mean at once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class HistoricMean(Model):
    """The mean of all closes, on every day of the horizon.

    The forecast made at ``t`` is ``y[t + h] = (y[1] + … + y[t]) / t``: a poor one of prices that
    wander, and there to show it. It is statsforecast's ``HistoricAverage``; see Hyndman and
    Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(HistoricMean(), [10.0, 12.0, 11.0], [0, 1, 2], predict=2)
    array([11., 11.])
    """

    name: ClassVar[str] = "historic_mean"
    learns: ClassVar[bool] = False
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        means = np.add.reduceat(panel.values, panel.indptr[:-1]) / panel.lengths
        return np.repeat(means[:, None], horizon, axis=1)
