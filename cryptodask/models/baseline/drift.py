"""``drift``: the price continues as it went from the first close to the last."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Drift(Model):
    """A random walk with drift: the last close, moved on by the mean change a bar.

    The forecast made at ``t`` is ``y[t + h] = y[t] + h * (y[t] - y[0]) / t``, of logs of prices by
    default. Time is counted in bars between the first and the last row (calendar days, of daily
    prices), so that a gap counts as what it lasted. Of a coin without gaps it is statsforecast's
    ``RandomWalkWithDrift``.

    See Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.

    Attributes
    ----------
    log : bool
        Whether the change is that of the log of the price, so that forecasts stay above 0; else
        that of the price, in the quote currency.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(Drift(log=False), [10.0, 12.0, 11.0], [0, 1, 2], predict=2)
    array([11.5, 12. ])
    >>> predict_one(Drift(), [10.0, 15.0, 40.0], [0, 1, 2], predict=2).round(6)
    array([ 80., 160.])
    """

    name: ClassVar[str] = "drift"
    learns: ClassVar[bool] = False
    needs_variation: ClassVar[bool] = True
    batches_dates: ClassVar[bool] = True

    log: bool = True

    def rows_at_ends(self, horizon: int) -> tuple[int, int]:
        return 1, 1

    def min_length(self, horizon: int) -> int:
        return 2  # a change is between two closes

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        first, last = panel.indptr[:-1], panel.indptr[1:] - 1
        bars = (panel.dates[last] - panel.dates[first]) / panel.step
        ahead = np.arange(1, horizon + 1) / bars[:, None]
        before, now = panel.values[first, None], panel.values[last, None]
        if not self.log:
            return now + ahead * (now - before)
        with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
            growth: FloatArray = np.exp(ahead * (np.log(now) - np.log(before)))
            return now * growth
