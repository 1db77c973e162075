"""A panel as of any date, and the closes that came after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.features.segments import Segments
from cryptodask.records import DateArray, FloatArray, Panel
from cryptodask.text import counted

IntArray = NDArray[np.int64]

FILLED = "filled"
"""Among a panel's other columns: above 0 for rows that nobody quoted, with which gaps were filled.
Such a row is known only once a quoted one has come after it; on its date it is not visible."""


@dataclass(frozen=True)
class PanelAt:
    """A panel as of one date.

    Attributes
    ----------
    panel : Panel
        The coins that have a row on that date, with copies of their rows up to it and of no other.
    places : ndarray of int64, ``(n_visible,)``
        Places of those coins in the panel of all dates.
    """

    panel: Panel
    places: IntArray


@dataclass(frozen=True)
class Spans:
    """Rows of a panel that are visible as of some dates, one span a coin and date, by date.

    Attributes
    ----------
    places, origins : ndarray of int64, ``(n_spans,)``
        Coin, and date, by number.
    starts, stops : ndarray of int64, ``(n_spans,)``
        First row of each span, and the row after its last one, which is that of the date.
    """

    places: IntArray
    origins: IntArray
    starts: IntArray
    stops: IntArray

    def __len__(self) -> int:
        return len(self.places)

    def take(self, chosen: "NDArray[Any] | slice") -> "Spans":
        """Return some spans.

        Parameters
        ----------
        chosen : slice, ndarray of int64, ``(n_chosen,)``, or of bool, ``(n_spans,)``
            Range, places, or a mask.
        """
        return Spans(*(a[chosen] for a in (self.places, self.origins, self.starts, self.stops)))


class Rolling:
    """A panel that can be looked at as of any date.

    Parameters
    ----------
    panel : Panel
        Dates rise from row to row of each coin. Rows that were filled in, if it has the column
        `FILLED`, are visible with those after them, but never on their own dates.
    splits : bool
        Whether to hide rows before the last gap, as of each date.
    """

    def __init__(self, panel: Panel, splits: bool = False) -> None:
        self.panel, self.splits = panel, splits
        seconds = panel.dates.astype("datetime64[s]").astype(np.int64)
        self._first = int(seconds.min()) if len(seconds) else 0
        # One number for coin and date, by which all rows are in order.
        self._span = (int(seconds.max()) if len(seconds) else 0) - self._first + 2
        coin = np.repeat(np.arange(len(panel)), panel.lengths)
        self._keys = coin * self._span + (seconds - self._first)
        self._filled = panel.extra.get(FILLED, np.zeros(0)) > 0

    def at(self, date: np.datetime64, window: int | None = None) -> PanelAt:
        """Return the panel as of a date.

        Parameters
        ----------
        date : datetime64
        window : int, optional
            Visible rows of each coin, the latest ones; by default all.
        """
        spans = self.spans(np.array([date]), window)
        return PanelAt(self.copy(spans), spans.places)

    def spans(self, dates: DateArray, window: int | None = None) -> Spans:
        """Return the rows that are visible as of some dates, without copying them.

        Parameters
        ----------
        dates : ndarray of datetime64, ``(n_dates,)``
        window : int, optional
            Visible rows of each coin, the latest ones; by default all.
        """
        coins = np.arange(len(self.panel))
        last = self._find(coins, np.asarray(dates)[:, None])
        origins, places = np.nonzero(last >= 0)
        stops = last[origins, places] + 1
        starts = self.panel.indptr[:-1][places]
        if self.splits:
            starts = Segments.of(self.panel).begins[stops - 1]
        if window is not None:
            starts = np.maximum(starts, stops - window)
        return Spans(places, origins, starts, stops)

    def copy(self, spans: Spans, ends: tuple[int, int] | None = None) -> Panel:
        """Return copies of rows, as a panel in which each span is a coin.

        Parameters
        ----------
        spans : Spans
        ends : (int, int), optional
            How many of the first rows and of the last rows of each span; by default all.
        """
        panel = self.panel
        starts, lengths = spans.starts, spans.stops - spans.starts
        skipped = 0 * lengths
        if ends is not None:
            skipped = np.maximum(lengths - sum(ends), 0)
            lengths = lengths - skipped
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], lengths)
        if ends is not None:
            within = rows - np.repeat(starts, lengths)
            rows += np.where(within < ends[0], 0, np.repeat(skipped, lengths))
        return Panel(
            coins=tuple(panel.coins[i] for i in spans.places.tolist()),
            values=panel.values[rows],
            dates=panel.dates[rows],
            indptr=indptr,
            step=panel.step,
            extra={name: column[rows] for name, column in panel.extra.items()},
        )

    def closes(self, places: IntArray, dates: DateArray) -> FloatArray:
        """Return the closes of coins on dates.

        Parameters
        ----------
        places : ndarray of int64, ``(n_coins,)``
            Places of the coins in the panel; some may be there twice.
        dates : ndarray of datetime64, ``(n_coins, n_dates)``

        Returns
        -------
        ndarray of float64, ``(n_coins, n_dates)``
            In the quote currency; NaN without a row.
        """
        rows = self._find(places[:, None], dates)
        if not len(self.panel.values):
            return np.full(rows.shape, np.nan)
        return np.where(rows >= 0, self.panel.values[rows], np.nan)

    def _find(self, places: IntArray, dates: DateArray) -> IntArray:
        """Return the rows of coins on dates, in the shape of both; -1 without a row."""
        since = dates.astype("datetime64[s]").astype(np.int64) - self._first
        inside = (since >= 0) & (since < self._span - 1)
        keys = places * self._span + np.where(inside, since, self._span - 1)
        rows = np.searchsorted(self._keys, keys)
        there = rows < len(self._keys)
        there[there] = self._keys[rows[there]] == keys[there]
        if self._filled.any():
            there[there] = ~self._filled[rows[there]]
        return np.where(there, rows, -1)


def choose_origins(
    first: np.datetime64,
    last: np.datetime64,
    step: np.timedelta64,
    horizon: int,
    origins: int | Sequence[object],
    every: int | None = None,
) -> DateArray:
    """Return the dates at which a backtest forecasts.

    Parameters
    ----------
    first, last : datetime64
        First and last date of all rows of all coins.
    step : timedelta64
        Time from one bar to the next.
    horizon : int
        Bars ahead.
    origins : int or sequence of date
        Number of dates, with a whole horizon after the last one; or the dates, in any order.
    every : int, optional
        Bars from one origin to the next, by default the horizon, so that none overlap.

    Returns
    -------
    ndarray of datetime64[s], ``(n_origins,)``
        Rising.

    Raises
    ------
    OptionError
        They do not fit between the first and the last date.
    """
    if every is not None and every < 1:
        raise OptionError(f"step: must be at least 1 bar, got {every}")
    if isinstance(origins, int):
        if origins < 1:
            raise OptionError(f"origins: must be at least 1, got {origins}")
        apart = (every or horizon) * step
        latest = last - horizon * step
        dates = latest - np.arange(origins)[::-1] * apart
        if dates[0] < first:
            room = max(0, int((latest - first) / apart) + 1)
            fit = "does" if room == 1 else "do"
            raise OptionError(
                f"origins: {counted(origins, 'origin')} {every or horizon} bars apart and a "
                f"horizon of {horizon} do not fit between {_day(first)} and {_day(last)}; "
                f"{f'at most {room} {fit}' if room else 'none does'}"
            )
        return dates.astype("datetime64[s]")
    dates = np.unique(np.array(list(origins), dtype="datetime64[s]"))
    if not len(dates):
        raise OptionError("origins: none given; give a number, or dates")
    for date in dates[[0, -1]]:
        if not first <= date < last:
            raise OptionError(
                f"origins: {_day(date)} is not between {_day(first)} and {_day(last)}, the day "
                "before which rows end"
            )
    return dates


def _day(date: np.datetime64) -> str:
    return str(date.astype("datetime64[D]"))
