"""Rows of a panel by date, of all coins at once, and what several features are made of."""

from functools import cached_property

import numpy as np

from cryptodask.features.market import Market
from cryptodask.features.segments import Segments
from cryptodask.records import DateArray, FloatArray, IntArray, Panel


class Rows:
    """The rows of a panel, and what several features are made of.

    Parameters
    ----------
    panel : Panel
    market : Market, optional
        Of all coins, where a feature crosses coins.
    """

    def __init__(self, panel: Panel, market: Market | None = None) -> None:
        self.panel, self.market = panel, market

    @cached_property
    def segments(self) -> Segments:
        """Where each row is in its segment."""
        return Segments.of(self.panel)

    @cached_property
    def returns(self) -> FloatArray:
        """The log return from the row before, ``(n_rows,)``, NaN of the first row of a segment."""
        return self.growth(self.panel.values, 1)

    def growth(self, values: FloatArray, rows: int) -> FloatArray:
        """Return the log of values over those some rows before, NaN where it is not finite.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        rows : int
            How many before.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            growth = np.log(values / self.segments.shift(values, rows))
        growth[~np.isfinite(growth)] = np.nan
        return growth

    def dates_before(self, lag: int) -> DateArray:
        """Return the date of the bar that is ``lag - 1`` before each row.

        Parameters
        ----------
        lag : int
            In bars, from 1.

        Returns
        -------
        ndarray of datetime64, ``(n_rows,)``
        """
        dates: DateArray = self.panel.dates - (lag - 1) * self.panel.step
        return dates


def rows_at(panel: Panel, dates: DateArray) -> IntArray:
    """Return the last row of each coin at or before each of its dates.

    Parameters
    ----------
    panel : Panel
    dates : ndarray of datetime64[s], ``(n_coins, n)``
        One row a coin.

    Returns
    -------
    ndarray of int64, ``(n_coins, n)``
        Rows of the panel; -1 where a date is before the coin's first.
    """
    seconds = panel.dates.astype("datetime64[s]").astype(np.int64)
    starts, ends = panel.indptr[:-1], panel.indptr[1:]
    first = seconds[starts]
    # Coins one after the other on one axis of time, on which a single search finds all rows.
    before = np.concatenate([[0], np.cumsum(seconds[ends - 1] - first + 1)])[:-1]
    axis = seconds + np.repeat(before - first, panel.lengths)
    last = (axis[ends - 1] - before)[:, None]
    since = dates.astype("datetime64[s]").astype(np.int64) - first[:, None]
    sought = before[:, None] + np.minimum(since, last)
    rows: IntArray = np.searchsorted(axis, sought, side="right") - 1
    return np.where(since >= 0, rows, -1)


def rows_on(panel: Panel, dates: DateArray) -> IntArray:
    """Return the row of each coin on each of its dates.

    Parameters
    ----------
    panel : Panel
    dates : ndarray of datetime64[s], ``(n_coins, n)``
        One row a coin.

    Returns
    -------
    ndarray of int64, ``(n_coins, n)``
        Rows of the panel; -1 where a coin has none on the date.
    """
    rows = rows_at(panel, dates)
    there = rows >= 0
    there[there] = panel.dates[rows[there]] == dates[there]
    return np.where(there, rows, -1)


def last_segment(panel: Panel) -> IntArray:
    """Return the row at which each coin's last segment without a gap begins.

    Parameters
    ----------
    panel : Panel
        Each of whose coins has a row.

    Returns
    -------
    ndarray of int64, ``(n_coins,)``
    """
    starts = panel.indptr[:-1]
    begins = np.ones(len(panel.values), dtype=np.bool_)
    begins[1:] = np.diff(panel.dates) != panel.step
    begins[starts] = True
    rows: IntArray = np.maximum.reduceat(np.where(begins, np.arange(len(begins)), 0), starts)
    return rows
