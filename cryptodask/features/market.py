"""What coins have in common on a date: the mean of their log returns, and those of single coins.

It crosses coins, and so partitions. Each partition sums its own coins' returns by date, as whole
numbers, whose sum is the same in any order and any grouping; the sums of all partitions are what
every partition then computes its features from. A date's mean takes in that date's returns only,
so nothing later is seen in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.features.segments import Segments
from cryptodask.records import DateArray, FloatArray, IntArray, Panel

UNIT, FARTHEST = 2.0**-32, 32.0
"""What an integer stands for, and the log return beyond which one counts as this: a price times
e**32. So the sum of 2**26 coins can't overflow an int64."""


@dataclass(frozen=True, eq=False)
class Market:
    """Log returns by date, of some coins or of all; adding those of others is exact.

    Attributes
    ----------
    dates : ndarray of datetime64[s], ``(n_dates,)``
        In order, those on which a coin has a return.
    sums : ndarray of int64, ``(n_dates,)``
        Of returns, in units of `UNIT`.
    counts : ndarray of int64, ``(n_dates,)``
        Of coins.
    coins : mapping of str to (dates, returns)
        Of the coins that were named, if they are among these.
    """

    dates: DateArray
    sums: IntArray
    counts: IntArray
    coins: Mapping[str, tuple[DateArray, FloatArray]] = field(default_factory=dict)

    @classmethod
    def of(cls, panel: Panel, names: Sequence[str] = ()) -> "Market":
        """Sum the returns of a panel's coins, and keep those of the coins that are named.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        names : sequence of str
            Coins whose returns are kept, if they are among these.
        """
        # What overflows is not finite in the end.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            returns = np.log(panel.values / Segments.of(panel).shift(panel.values, 1))
        returned = np.isfinite(returns)
        coins = {}
        for name in set(names) & set(panel.coins):
            i = panel.coins.index(name)
            rows = np.arange(panel.indptr[i], panel.indptr[i + 1])
            rows = rows[returned[rows]]
            coins[name] = panel.dates[rows], returns[rows]
        units = np.rint(returns[returned].clip(-FARTHEST, FARTHEST) / UNIT).astype(np.int64)
        return cls(*_by_date(panel.dates[returned], units, np.ones_like(units)), coins)

    def __add__(self, other: "Market") -> "Market":
        joined = (
            np.concatenate(pair) for pair in zip(self._arrays(), other._arrays(), strict=True)
        )
        return Market(*_by_date(*joined), {**self.coins, **other.coins})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> "Market":
        """Return what `as_arrays` made arrays of.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        names : sequence of str
            Coins, as they were given to `as_arrays`.
        """
        coins = {
            name: (arrays[f"dates_{i}"].astype("datetime64[s]"), arrays[f"returns_{i}"])
            for i, name in enumerate(names)
        }
        dates = arrays["dates"].astype("datetime64[s]")
        return cls(dates, arrays["sums"], arrays["counts"], coins)

    def as_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return it as arrays of numbers, dates as seconds since 1970-01-01.

        Parameters
        ----------
        names : sequence of str
            Coins whose returns it has.

        Returns
        -------
        dict of str to ndarray
            ``dates``, ``sums`` and ``counts``, ``(n_dates,)`` each, and of each coin, by its place,
            ``dates_0`` and ``returns_0``, ``(n_returns,)`` each, and so on.
        """
        arrays: dict[str, NDArray[Any]] = {"sums": self.sums, "counts": self.counts}
        arrays["dates"] = self.dates.astype("datetime64[s]").astype(np.int64)
        for i, name in enumerate(names):
            dates, arrays[f"returns_{i}"] = self.coins[name]
            arrays[f"dates_{i}"] = dates.astype("datetime64[s]").astype(np.int64)
        return arrays

    def _arrays(self) -> tuple[DateArray, IntArray, IntArray]:
        return self.dates, self.sums, self.counts

    def mean_on(self, dates: DateArray) -> FloatArray:
        """Return the mean log return of all coins on dates, NaN where none has a return.

        Parameters
        ----------
        dates : ndarray of datetime64, ``(n,)``

        Returns
        -------
        ndarray of float64, ``(n,)``
        """
        return _look_up(self.dates, self.sums * UNIT / self.counts, dates)

    def return_on(self, coin: str, dates: DateArray) -> FloatArray:
        """Return the log return of a coin that was named on dates, NaN where it has none.

        Parameters
        ----------
        coin : str
        dates : ndarray of datetime64, ``(n,)``

        Returns
        -------
        ndarray of float64, ``(n,)``
        """
        return _look_up(*self.coins[coin], dates)


def _by_date(
    dates: DateArray, sums: IntArray, counts: IntArray
) -> tuple[DateArray, IntArray, IntArray]:
    """Add up what is of the same date."""
    order = np.argsort(dates, kind="stable")
    dates = dates[order]
    begin = np.flatnonzero(np.append(True, dates[1:] != dates[:-1]))[: len(dates)]
    if not len(begin):
        return dates, sums, counts
    return dates[begin], np.add.reduceat(sums[order], begin), np.add.reduceat(counts[order], begin)


def _look_up(known: DateArray, values: FloatArray, dates: DateArray) -> FloatArray:
    """Return the values of dates, NaN of those that are not known."""
    if not len(known):
        return np.full(len(dates), np.nan)
    places = np.minimum(np.searchsorted(known, dates), len(known) - 1)
    return np.where(known[places] == dates, values[places], np.nan)
