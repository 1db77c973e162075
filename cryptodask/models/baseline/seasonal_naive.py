"""``seasonal_naive``: next Monday is as last Monday."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.rows import rows_at
from cryptodask.models.base import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class SeasonalNaive(Model):
    """The close of one season before, again and again.

    The forecast made at ``t`` is ``y[t + h] = y[t + h - season * k]`` with the least ``k`` that
    makes it a bar up to ``t``. Seasons are counted in bars of the calendar (days, of daily prices),
    not in rows, so that a Monday is forecast from a Monday whatever is missing between them. Where
    that very bar is missing it is the last close before it. Of a coin without gaps it is
    statsforecast's ``SeasonalNaive``.

    See Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.

    Attributes
    ----------
    season : int
        Bars in a season: 7 of daily prices is a week.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> predict_one(SeasonalNaive(season=2), [10.0, 12.0, 11.0], [0, 1, 2], predict=3)
    array([12., 11., 12.])
    """

    name: ClassVar[str] = "seasonal_naive"
    learns: ClassVar[bool] = False
    batches_dates: ClassVar[bool] = True

    season: int = 7

    def __post_init__(self) -> None:
        if self.season < 1:
            raise OptionError(f"seasonal_naive season: must be at least 1, got {self.season}")

    def min_length(self, horizon: int) -> int:
        return self.season

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        if not len(panel):
            return np.empty((0, horizon))
        back = np.arange(1 - self.season, 1) * panel.step.astype("timedelta64[s]")
        latest = panel.values[rows_at(panel, panel.last_dates[:, None] + back)]
        return latest[:, np.arange(horizon) % self.season]
