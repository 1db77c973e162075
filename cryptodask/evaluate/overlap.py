"""Numbers of many series at origins, and which origins share days with which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.records import FloatArray


@dataclass(frozen=True)
class Ragged:
    """Differences of many series, one a column, beginning in the first row.

    Sums over rows are running sums. Their order depends neither on the columns beside nor on the
    length of the longest one, so that parts give the bits of the whole.

    Attributes
    ----------
    values : ndarray of float64, ``(n_origins, n_series)``
        Differences; 0 below the end of a series.
    cutoffs : ndarray of float64, ``(n_origins, n_series)``
        In seconds since 1970.
    there : ndarray of bool, ``(n_origins, n_series)``
        Whether a series has that row.
    reach : ndarray of float64, ``(n_series,)``
        Longest time from a cutoff to the last date forecast, in seconds.
    row, series : ndarray of int64, ``(n_values,)``
        Place of each row of the table.
    """

    values: FloatArray
    cutoffs: FloatArray
    there: NDArray[np.bool_]
    reach: FloatArray
    row: NDArray[np.integer[Any]]
    series: NDArray[np.integer[Any]]

    @classmethod
    def of(cls, rows: pd.DataFrame, keys: Sequence[str]) -> "Ragged":
        """Lay out a table.

        Parameters
        ----------
        rows : DataFrame
            Columns `keys`, ``cutoff``, ``end`` and ``difference``, sorted by keys and cutoff.
        keys : sequence of str
            Columns that name a series.
        """
        groups = rows.groupby(list(keys), sort=True)
        series, row = groups.ngroup().to_numpy(), groups.cumcount().to_numpy()
        shape = (int(row.max(initial=-1)) + 1, groups.ngroups)
        values, cutoffs, there = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        begin, end = (rows[c].to_numpy().astype("datetime64[s]") for c in ("cutoff", "end"))
        values[row, series] = rows["difference"]
        cutoffs[row, series] = begin.astype(np.int64)
        there[row, series] = True
        reach = np.zeros(shape[1])
        np.maximum.at(reach, series, (end - begin).astype(np.int64))
        return cls(values, cutoffs, there, reach, row, series)

    def overlaps(self) -> Iterator[tuple[int, FloatArray]]:
        """Yield lags in rows, and the share of the horizon common to each row and that before.

        Yields
        ------
        lag : int
        shared : ndarray of float64, ``(n_origins - lag, n_series)``
            0 to 1.
        """
        for lag in range(1, len(self.values)):
            apart = (self.cutoffs[lag:] - self.cutoffs[:-lag]) / self.reach
            shared = np.where(self.there[lag:], np.maximum(1 - apart, 0), 0)
            if not shared.any():
                return
            yield lag, shared

    @property
    def counts(self) -> FloatArray:
        """Rows of each series, ``(n_series,)``."""
        counts: FloatArray = self.there.sum(axis=0).astype(np.float64)
        return counts

    @property
    def worth(self) -> FloatArray:
        """Number of rows without overlap that are worth those of each series, ``(n_series,)``."""
        pairs = sum(((shared > 0).sum(axis=0) for _, shared in self.overlaps()), np.zeros(1))
        worth: FloatArray = self.counts**2 / (self.counts + 2 * pairs)
        return worth


def total(values: FloatArray) -> FloatArray:
    """Return sums of columns, added from the first row to the last.

    Parameters
    ----------
    values : ndarray of float64, ``(n_rows, n_series)``

    Returns
    -------
    ndarray of float64, ``(n_series,)``
    """
    totals: FloatArray = np.cumsum(values, axis=0)[-1]
    return totals
