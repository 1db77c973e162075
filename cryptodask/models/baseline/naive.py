"""``naive``: tomorrow is as today, the forecast that others must beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Naive(Model):
    """The last close, on every day of the horizon.

    Very hard to beat on daily prices; see Hyndman and Athanasopoulos, Forecasting: Principles and
    Practice, 3rd ed., section 5.2.
    """

    name: ClassVar[str] = "naive"
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        """Return 1: only the last close is used."""
        return 1

    def lookback(self, horizon: int) -> int:
        """Return 1: it starts from the last close."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        last: FloatArray = panel.values[panel.indptr[1:] - 1]
        return np.repeat(last[:, None], horizon, axis=1)
