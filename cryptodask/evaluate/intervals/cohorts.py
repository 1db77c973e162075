"""The past dates whose errors intervals are made from, for coins that may end on any date.

Intervals of a coin's next forecast are made from what was known at the coin's last date. Most
coins of a table end on one date, and others long before: these are forecast as of dates before
their last row. Coins that end within half a warm-up are a cohort, with a pool of errors. Its
origins are dates up to the one on which most of its coins end, and some after it; a coin gets what
the pool knew at the latest origin that is not after its last row. However many coins there are,
there are at most as many cohorts as half warm-ups in all dates. Coins that continue are left out
of the pools of cohorts that ended before, which would take forecasts of them at all those dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DateArray

EVERY, WARMUP = 5, 200
"""Bars from one origin of intervals to the next, and from the first of these to the first that
counts. Coins move together: it takes many origins, not many coins, to know how wide intervals must
be."""


@dataclass(frozen=True)
class Intervals:
    """Past origins whose errors intervals of forecasts are made from.

    Attributes
    ----------
    calibrate, warmup : int
        Bars between origins, and bars from the first origin to the last row; fewer where prices
        begin later.
    refit : int
        Retrain every N of these origins; between them, the older training forecasts.

    Raises
    ------
    OptionError
        One is out of its range.
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
        """Return the number of forecasts that one forecast with intervals takes, at most."""
        del model
        return self.warmup // self.calibrate + 2


def calibration_origins(
    origins: DateArray, first: np.datetime64, bar: np.timedelta64, calibrate: int, warmup: int
) -> DateArray:
    """Return origins, and the earlier ones whose errors their intervals are made from.

    Parameters
    ----------
    origins : ndarray of datetime64[s], ``(n_origins,)``
        Rising; at least one.
    first : datetime64
        The first date of all rows, which is never an origin.
    bar : timedelta64
        Time from one bar to the next.
    calibrate, warmup : int
        Bars between origins, counted back from the last one, and bars before the first one.

    Returns
    -------
    ndarray of datetime64[s], ``(n_dates,)``
        Rising.
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
        Time from one bar to the next.
    how : Intervals
        Spacing and reach of the origins.
    """
    grids = []
    dates, coins = np.unique(lasts, return_counts=True)
    while len(dates):
        end = dates[-1]
        members = dates > end - max(how.warmup // 2, how.calibrate) * bar
        # Where most coins end, so that these get what was known on that very date.
        most = dates[members][::-1][np.argmax(coins[members][::-1])]
        before = calibration_origins(most.reshape(1), first, bar, how.calibrate, how.warmup)
        apart = how.calibrate * bar
        after = most + np.arange(1, (end - most) // apart + 1) * apart
        grids.append(Grid(np.concatenate([before, after.astype(before.dtype)]), end))
        dates, coins = dates[~members], coins[~members]
    return grids


def find_cohorts(ends: Sequence[np.datetime64], lasts: DateArray) -> NDArray[np.int64]:
    """Return the cohort of each coin by its last date: that with the earliest end not before it.

    Parameters
    ----------
    ends : sequence of datetime64[s]
        Of the cohorts, falling.
    lasts : ndarray of datetime64[s], ``(n_coins,)``

    Returns
    -------
    ndarray of int64, ``(n_coins,)``
        -1 for a coin that ends after all of them.
    """
    falling = -np.array(ends, dtype="datetime64[s]").astype(np.int64)
    cohorts: NDArray[np.int64] = np.searchsorted(falling, -lasts.astype(np.int64), side="right") - 1
    return cohorts
