"""The past dates whose errors intervals are made from, for coins that may end on any date.

Intervals of a coin's next forecast are made from what was known at its own last date. Most coins
of a table end on one date, and others long before: these are forecast as of the dates before
their own end, not of everybody's. Coins that end within half a warm-up are a cohort, whose pool
of errors is that of origins up to the date on which most of them end, and some after it; a coin
has what the pool knew at the latest origin that is not after its own end. There are at most as
many cohorts as half warm-ups in all dates, however many coins. Coins that went on do not count in
the pools of cohorts that ended before, which would take their forecasts of all those dates.
"""

from collections.abc import Sequence
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

    def times(self, model: object) -> float:
        """Return how many forecasts a model makes for one with intervals, at most."""
        del model
        return self.warmup // self.calibrate + 2


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


@dataclass(frozen=True)
class Grid:
    """The dates of one cohort.

    Attributes
    ----------
    origins : ndarray of datetime64[s], ``(n_origins,)``
        Past dates to forecast from, rising.
    end : datetime64[s]
        The last date of the coin that ends last.
    """

    origins: DateArray
    end: np.datetime64


def choose_cohorts(
    first: np.datetime64, lasts: DateArray, bar: np.timedelta64, how: Intervals
) -> list[Grid]:
    """Return the dates of each cohort, the latest first.

    Parameters
    ----------
    first : datetime64
        The first date of all rows.
    lasts : ndarray of datetime64[s], ``(n_coins,)``
        Last dates of coins, in any order.
    bar : timedelta64
    how : Intervals
    """
    grids = []
    dates, coins = np.unique(lasts, return_counts=True)
    while len(dates):
        end = dates[-1]
        own = dates > end - max(how.warmup // 2, how.calibrate) * bar
        # Where most coins end, so that these have what was known on that very date.
        most = dates[own][::-1][np.argmax(coins[own][::-1])]
        before = calibration_origins(most.reshape(1), first, bar, how.calibrate, how.warmup)
        apart = how.calibrate * bar
        after = most + np.arange(1, (end - most) // apart + 1) * apart
        grids.append(Grid(np.concatenate([before, after.astype(before.dtype)]), end))
        dates, coins = dates[~own], coins[~own]
    return grids


def own_cohorts(ends: Sequence[np.datetime64], lasts: DateArray) -> NDArray[np.int64]:
    """Return the cohort of each coin by its last date: that with the earliest end not before it.

    Parameters
    ----------
    ends : sequence of datetime64[s]
        Of the cohorts, falling.
    lasts : ndarray of datetime64[s], ``(n_coins,)``

    Returns
    -------
    ndarray of int64, ``(n_coins,)``
        -1 of a coin that ends after all of them.
    """
    falling = -np.array(ends, dtype="datetime64[s]").astype(np.int64)
    found: NDArray[np.int64] = np.searchsorted(falling, -lasts.astype(np.int64), "right") - 1
    return found
