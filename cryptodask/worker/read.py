"""From a partition to the panel that a model sees."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryptodask.errors import NoPricesError
from cryptodask.evaluate.rolling import FILLED
from cryptodask.features.own import OwnColumn
from cryptodask.features.segments import Segments
from cryptodask.prices.clean.findings import empty_findings, lost
from cryptodask.prices.clean.gaps import last_segments
from cryptodask.prices.own import add_own
from cryptodask.prices.panels import to_panel
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.table.table_partition import TablePartition
from cryptodask.records import CoinFailure, DateArray, Panel
from cryptodask.worker.job import Job


def read_panel(
    partition: Partition,
    row_filter: RowFilter,
    lookback: int | None = None,
    columns: Sequence[str] = (),
    *,
    past: bool = False,
) -> tuple[Panel, pd.DataFrame, int]:
    """Return the panel that a model sees, findings of rows that were lost, and the rows read.

    Parameters
    ----------
    partition : Partition
    row_filter : RowFilter
        Where it fills gaps, the panel has a column that says which rows were filled in
        (`cryptodask.evaluate.rolling.FILLED`).
    lookback : int, optional
        Rows before a coin's last that many may be left out, of a table.
    columns : sequence of str
        Beside the closes; see `cryptodask.models.base.Model.columns`. The panel is then made from
        a frame, which takes longer.
    past : bool
        Whether rows before a coin's last gap are kept where gaps split, for forecasts as of past
        dates.

    Returns
    -------
    panel : Panel
        Closes in the quote currency.
    lost : DataFrame
        Findings.
    rows : int
        That were read.
    """
    if not columns and isinstance(partition, TablePartition) and row_filter.is_whole:
        panel = partition.read_panel(lookback)
        return panel, empty_findings(), len(panel.values)
    reading = partition.load(("close", *price_columns(columns)))
    prices = row_filter(reading.prices)
    is_cut = row_filter.splits and not past
    seen = last_segments(prices, row_filter.freq) if is_cut else prices
    kept = price_columns(columns)
    if row_filter.gaps.mode == "fill":
        kept = (*kept, FILLED)
    panel = add_own(to_panel(seen, row_filter.freq, kept), reading.further, columns)
    return panel, lost(reading.findings), len(prices)


def price_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return those of a model's columns that are of prices, and not a user's own."""
    return tuple(name for name in columns if OwnColumn.parse(name) is None)


def rows_as_of_now(panel: Panel, row_filter: RowFilter) -> Panel:
    """Return the rows that a model sees as of now, of those that were read for past dates."""
    rows = panel.lengths
    if row_filter.splits and len(panel):
        stops = panel.indptr[1:]
        rows = stops - Segments.of(panel).begins[stops - 1]
    if row_filter.max_points is not None:
        rows = np.minimum(rows, row_filter.max_points)
    return panel if (rows == panel.lengths).all() else panel.tail(rows)


def coins_without_rows(partition: Partition, panel: Panel, model: str) -> list[CoinFailure]:
    """Return the failures of coins of a partition that have no row in its panel."""
    return [
        CoinFailure.of(coin, model, NoPricesError(f"{coin}: no row in the days asked for"))
        for coin in sorted(set(partition.coins) - set(panel.coins))
    ]


def fact_texts(job: Job, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the texts of each of some facts that coins of a job have."""
    texts: dict[str, set[str]] = {name: set() for name in names}
    for partition in job.partitions:
        further = partition.load(("close",)).further
        if further is not None:
            for name in names:
                texts[name] |= set(further[name].dropna().unique())
    return texts


def known_later(job: Job, names: Sequence[str]) -> set[str]:
    """Return those of some own columns that have a value after the last close of a job's coin."""
    known: set[str] = set()
    for partition in job.partitions:
        reading = partition.load(("close",))
        if reading.further is not None:
            last = reading.prices.groupby("coin", observed=True)["date"].max()
            further = reading.further
            later = further[further["date"] > further["coin"].astype("str").map(last)]
            known |= {name for name in names if later[name].notna().any()}
    return known


def date_span(job: Job, row_filter: RowFilter) -> tuple[np.datetime64, DateArray] | None:
    """Return the first date of a job's rows and the last one of each coin; None of no rows.

    Returns
    -------
    first : datetime64[s]
    lasts : ndarray of datetime64[s], ``(n_coins,)``
    """
    panels = [
        panel
        for partition in job.partitions
        if len(panel := read_panel(partition, row_filter, past=True)[0])
    ]
    if not panels:
        return None
    lasts = np.concatenate([panel.last_dates for panel in panels])
    return min(panel.dates.min() for panel in panels), lasts
