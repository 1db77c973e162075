"""The past dates whose errors intervals are made from, for coins that may end on any date.

Intervals of a coin's next forecast are made from what was known at its own last date. Most coins
of a table end on one date, and others long before: these were forecast as of the dates before
their own end, not of everybody's. Coins that end at about the same time are a cohort, whose pool
of errors is that of origins before its latest end; within it a coin has what the pool knew at the
latest origin that is not after its own end. There are at most as many cohorts as half warm-ups in
all dates, however many coins, and a coin is forecast as of past dates of two of them at most.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DateArray

EVERY, WARMUP = 5, 200
"""Bars from one origin of intervals to the next, and from the first of these to the first that
counts. Coins move together, so that it takes many origins, and not many coins, to know how wide
intervals have to be."""


@dataclass(frozen=True)
class Intervals:
    """What intervals of forecasts are made from.

    Attributes
    ----------
    calibrate, warmup : int
        Errors at origins so many bars apart, from so many bars before the last row on, as far as
        prices go back.
    refit : int
        Models that are trained are so at every so many of these origins, and in between forecast
        by the older training.
    """

    calibrate: int = EVERY
    warmup: int = WARMUP
    refit: int = 1

    def __post_init__(self) -> None:
        for name in ("calibrate", "refit"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if self.warmup < self.calibrate:
            raise OptionError(
                f"warmup: must be at least calibrate, {self.calibrate} bars, got {self.warmup}: "
                "intervals are made from errors at origins before the last row"
            )

    @property
    def times(self) -> int:
        """How many forecasts it takes to make one with intervals, at most."""
        return self.warmup // self.calibrate + 1


def calibration_origins(
    origins: DateArray, first: np.datetime64, bar: np.timedelta64, calibrate: int, warmup: int
) -> DateArray:
    """Return origins and those that their intervals are made from, rising.

    Parameters
    ----------
    origins : ndarray of datetime64[s]
        Rising; at least one.
    first : datetime64
        The first date of all rows, which is no origin.
    bar : timedelta64
    calibrate, warmup : int
        Bars between origins, counted back from the last one, and bars before the first one.
    """
    since = max(origins[0] - warmup * bar, first + bar)
    apart = calibrate * bar
    others = origins[-1] - np.arange((origins[-1] - since) // apart + 1) * apart
    return np.union1d(origins, others.astype("datetime64[s]"))


def choose_cohorts(
    first: np.datetime64, lasts: DateArray, bar: np.timedelta64, how: Intervals
) -> list[DateArray]:
    """Return the origins of each cohort, the latest first; the last of them is when it ends.

    Parameters
    ----------
    first : datetime64
        The first date of all rows.
    lasts : ndarray of datetime64[s]
        Last dates of coins, in any order.
    bar : timedelta64
    how : Intervals
    """
    cohorts = []
    rest = np.unique(lasts)
    covered = max(how.warmup // 2, how.calibrate) * bar
    while len(rest):
        end = rest[-1:]
        cohorts.append(calibration_origins(end, first, bar, how.calibrate, how.warmup))
        rest = rest[rest <= end - covered]
    return cohorts


def own_cohorts(cohorts: list[DateArray], lasts: DateArray) -> NDArray[np.int64]:
    """Return the cohort of each coin by its last date: that with the earliest end not before it.

    Returns
    -------
    ndarray of int64, ``(n_coins,)``
        -1 of a coin that ends after all of them.
    """
    ends = np.array([-origins[-1].astype(np.int64) for origins in cohorts])
    found: NDArray[np.int64] = np.searchsorted(ends, -lasts.astype(np.int64), side="right") - 1
    return found
