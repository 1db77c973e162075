"""``linear``: a straight line through the closes of each coin, all coins at once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Gaps
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Linear:
    """Least squares of close on time, extrapolated to the days after the last one.

    Time is counted in bars (calendar days, of daily prices), so that a gap counts as what it
    lasted. It is scikit-learn's
    ``LinearRegression`` on one feature, in closed form for all coins of a panel: slope is the
    covariance of time and close over the variance of time.
    """

    name: ClassVar[str] = "linear"
    cost: ClassVar[float] = 2.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "leave"

    def min_length(self, horizon: int) -> int:
        """Return 2: a line has two parameters."""
        del horizon
        return 2

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        del seed
        starts, lengths = panel.indptr[:-1], panel.lengths
        # Centred first, since the squares of days since 1970 would cost half of the digits.
        days = panel.times
        days = days - np.repeat(days[starts], lengths)
        mean_day = np.add.reduceat(days, starts) / lengths
        mean_close = np.add.reduceat(panel.values, starts) / lengths
        day_off = days - np.repeat(mean_day, lengths)
        close_off = panel.values - np.repeat(mean_close, lengths)
        slope = np.add.reduceat(day_off * close_off, starts) / np.add.reduceat(day_off**2, starts)
        ahead = days[panel.indptr[1:] - 1, None] + np.arange(1, horizon + 1)
        return mean_close[:, None] + slope[:, None] * (ahead - mean_day[:, None])
