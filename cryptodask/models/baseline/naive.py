"""``naive``: tomorrow is as today, the forecast that others must beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Naive(Model):
    """The last close, on every day of the horizon.

    The forecast made at ``t`` is ``y[t + h] = y[t]``. Very hard to beat on daily prices; see
    Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(Naive(), [10.0, 12.0, 11.0], [0, 1, 2], predict=2)
    array([11., 11.])
    """

    name: ClassVar[str] = "naive"
    learns: ClassVar[bool] = False
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        return 1

    def lookback(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        last: FloatArray = panel.values[panel.indptr[1:] - 1]
        return np.repeat(last[:, None], horizon, axis=1)
