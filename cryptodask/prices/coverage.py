"""Which coins of a table have which days."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.charts import Cells, Chart, Pane
from cryptodask.prices.freq import DAILY, FREQS
from cryptodask.text import counted, shown_date

MOST_SPANS = 400
"""Spans of time at most: a screen has pixels for no more."""

MOST_ROWS = 600
"""Rows of a chart at most; more coins share rows."""


@dataclass(frozen=True)
class Coverage:
    """Which share of days each coin has, by spans of time.

    Attributes
    ----------
    coins : tuple of str, ``(n_coins,)``
        By first day, the oldest first.
    start : datetime64[D]
        First day of the first span.
    span : int
        Days of a span.
    shares : ndarray of float32, ``(n_coins, n_spans)``
        Rows over the bars of the span, 0 to 1.
    """

    coins: tuple[str, ...]
    start: np.datetime64
    span: int
    shares: NDArray[np.float32]


def measure_coverage(
    frames: Iterable[pd.DataFrame],
    coins: Sequence[str],
    first: Any,
    last: Any,
    freq: str = DAILY,
) -> Coverage:
    """Return which share of its days each coin has.

    Parameters
    ----------
    frames : iterable of DataFrame
        Rows of some coins each, with columns coin and date; read one after the other.
    coins : sequence of str
        All coins, by first day.
    first, last : day
        First and last day of all coins.
    freq : str
        Of the bars; the share of a day that has all its hours is 1.
    """
    start = np.datetime64(pd.Timestamp(first), "D")
    days = int((np.datetime64(pd.Timestamp(last), "D") - start).astype(int)) + 1
    span = -(-days // MOST_SPANS)
    counts = np.zeros((len(coins), -(-days // span)), dtype=np.int64)
    places = pd.Series(np.arange(len(coins)), index=list(coins))
    for frame in frames:
        row = frame["coin"].map(places).to_numpy()
        column = (frame["date"].to_numpy().astype("datetime64[D]") - start).astype(int) // span
        np.add.at(counts, (row, column), 1)
    # The last span may be shorter than the others.
    lengths = np.full(counts.shape[1], span)
    lengths[-1] = days - span * (counts.shape[1] - 1)
    lengths = lengths * (FREQS[DAILY] // FREQS[freq])
    return Coverage(tuple(coins), start, span, (counts / lengths).astype(np.float32))


def coverage_chart(coverage: Coverage) -> Chart:
    """Return which share of its days each coin has as a chart.

    Parameters
    ----------
    coverage : Coverage
        Of more than `MOST_ROWS` coins, neighbours by first day share a row, which has their mean.
    """
    n_coins, n_spans = coverage.shares.shape
    each = -(-n_coins // MOST_ROWS)
    starts = np.arange(0, n_coins, each)
    sizes = np.diff([*starts, n_coins])
    shares = np.add.reduceat(coverage.shares, starts, axis=0) / sizes[:, None]
    names = tuple(
        coverage.coins[i] if size == 1 else f"{coverage.coins[i]} and {size - 1} more"
        for i, size in zip(starts, sizes, strict=True)
    )
    end = coverage.start + n_spans * coverage.span
    row = "a coin" if each == 1 else f"{each:,} coins"
    span = "a day" if coverage.span == 1 else f"{coverage.span:,} days"
    caption = (
        f"{counted(n_coins, 'coin')} from {shown_date(pd.Timestamp(coverage.start))} · a row is "
        f"{row}, the oldest at the bottom, and a column {span} · dark: all days, white: none"
    )
    cells = Cells(shares, coverage.start, end, names)
    return Chart("Days with prices", caption, (Pane((cells,), dates=True),))
