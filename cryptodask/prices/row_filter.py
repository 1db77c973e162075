"""Which rows of each coin a model may see."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.prices.clean.gaps import GapHandling
from cryptodask.prices.days import Day, read_day
from cryptodask.prices.freq import DAILY
from cryptodask.records import DAY


@dataclass(frozen=True)
class RowFilter:
    """Which rows of each coin to keep: a range of days, then at most the latest ``max_points``.

    Gaps are dealt with between the two, so that rows that were filled in count.

    Attributes
    ----------
    max_points : int, optional
        Rows a coin at most.
    first, last : datetime64[s]
        First and last moment, both included, in UTC.
    gaps : GapHandling
        What to do about gaps.
    freq : str
        How long a bar lasts.
    """

    max_points: int | None
    first: np.datetime64
    last: np.datetime64
    gaps: GapHandling = field(default_factory=GapHandling)
    freq: str = DAILY

    @classmethod
    def of(
        cls,
        max_points: int | None,
        from_date: Day | None,
        to_date: Day | None,
        gaps: GapHandling | None = None,
        freq: str = DAILY,
    ) -> "RowFilter":
        """Return the filter of options that a user gave.

        Parameters
        ----------
        max_points : int, optional
            Rows a coin at most, the latest.
        from_date, to_date : day, optional
            First and last day, both included; see `cryptodask.prices.days.read_day`.
        gaps : GapHandling, optional
            By default gaps are left as they are.
        freq : str
            How long a bar lasts.

        Raises
        ------
        OptionError
            ``max_points`` is below 1, a day can't be read, or the first is after the last.
        """
        if max_points is not None and max_points < 1:
            raise OptionError(f"max_points: must be at least 1, got {max_points}")
        first = read_day("from_date", from_date, "0001-01-01")
        # To the last second of that day, for bars that are shorter than it.
        last = read_day("to_date", to_date, "9999-12-30") + (DAY - np.timedelta64(1, "s"))
        if first > last:
            raise OptionError(f"from_date: {from_date} is after to_date: {to_date}")
        return cls(max_points, first, last, gaps or GapHandling(), freq)

    @property
    def is_whole(self) -> bool:
        """Whether all rows are kept as they are."""
        return self == RowFilter.of(None, None, None, freq=self.freq)

    @property
    def splits(self) -> bool:
        """Whether models see of each coin only the rows after its last gap."""
        return self.gaps.mode == "split"

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a price frame that are kept."""
        dates = frame["date"].to_numpy()
        inside = (dates >= self.first) & (dates <= self.last)
        kept = frame if inside.all() else frame[inside]
        kept = self.gaps(kept.reset_index(drop=True), self.freq)
        if self.max_points is not None:
            kept = kept.groupby("coin", sort=False).tail(self.max_points)
        return kept.reset_index(drop=True)
