"""``linear``: a straight line through the closes of each coin, all coins at once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.models.base import Model
from cryptodask.models.learned import Learned
from cryptodask.records import FloatArray, IntArray, Panel

EXACT = 1 << 17
"""Rows of a coin up to which sums of squares of halves are exact in floating point."""


@dataclass(frozen=True)
class Linear(Model):
    """Least squares of close on time, extrapolated to the days after the last one.

    The forecast made at ``t`` is ``y[t + h] = mean(y) + slope * (t + h - mean(time))``, where slope
    is the covariance of time and close over the variance of time. Time is counted in bars (calendar
    days, of daily prices), so that a gap counts as what it lasted. It is scikit-learn's
    ``LinearRegression`` on one feature, in closed form for all coins of a panel.

    See Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., chapter 7.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(Linear(), [10.0, 12.0, 11.0], [0, 1, 2], predict=2)
    array([12. , 12.5])
    """

    name: ClassVar[str] = "linear"
    cost: ClassVar[float] = 2.0
    needs_variation: ClassVar[bool] = True
    batches_dates: ClassVar[bool] = True

    def min_length(self, horizon: int) -> int:
        return 2  # a line has two parameters

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        starts, ends, lengths = panel.indptr[:-1], panel.indptr[1:] - 1, panel.lengths
        even = panel.is_even()
        bars = _centred_bars(panel, even)
        last = bars[ends]
        if even and (lengths < EXACT).all():
            spread = lengths * (lengths**2 - 1) / 12  # what the squares add up to, to the last bit
        else:
            spread = np.add.reduceat(bars * bars, starts)
        mean = np.add.reduceat(panel.values, starts) / lengths
        bars *= panel.values  # whose mean need not be taken off, since the bars add up to 0
        slope = np.add.reduceat(bars, starts) / spread
        learned = {"mean": mean, "slope": slope, "last_bar": last, "last_date": _seconds(panel)}
        return Learned(panel.coins, learned)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        mean, slope, last = (known.arrays[name] for name in ("mean", "slope", "last_bar"))
        since = (_seconds(panel) - known.arrays["last_date"]) / panel.step_seconds
        ahead = since[:, None] + np.arange(1, horizon + 1)
        forecast: FloatArray = mean[:, None] + slope[:, None] * (last[:, None] + ahead)
        return forecast

    def lookback_from(self, horizon: int) -> int:
        return 1


def _seconds(panel: Panel) -> IntArray:
    """Return each coin's last date in seconds since 1970-01-01, ``(n_coins,)``."""
    return panel.last_dates.astype("datetime64[s]").astype(np.int64)


def _centred_bars(panel: Panel, even: bool) -> FloatArray:
    """Return the bars of every row after the mean of its coin's, ``(n_rows,)``.

    Of coins without gaps both are halves, and exact, so that both ways give the same bits.
    """
    starts, lengths = panel.indptr[:-1], panel.lengths
    if even:
        rows = np.arange(len(panel.values), dtype=np.float64)
        rows -= np.repeat(starts + (lengths - 1) / 2, lengths)
        return rows
    # From each coin's first, since the squares of days since 1970 would cost half of the digits.
    bars = panel.times
    bars -= np.repeat(bars[starts], lengths)
    bars -= np.repeat(np.add.reduceat(bars, starts) / lengths, lengths)
    return bars
