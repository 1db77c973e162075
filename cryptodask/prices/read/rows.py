"""Columns of text to price rows: numbers, dates, and a finding for each cell that is neither."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.freq import FREQS
from cryptodask.prices.read.columns import TextColumns
from cryptodask.prices.read.numbers import parse_numbers
from cryptodask.prices.read.stamps import parse_stamps
from cryptodask.prices.schema import AMOUNT_COLUMNS, NUMBER_COLUMNS
from cryptodask.records import DAY


def _parse_dates(
    cells: pd.DataFrame, texts: TextColumns, step: int
) -> tuple[NDArray[np.datetime64], NDArray[np.object_], NDArray[np.bool_]]:
    """Read the stamps of all files, those of one convention together."""
    kinds = list(dict.fromkeys(texts.stamps))
    of_file = np.asarray([kinds.index(kind) for kind in texts.stamps], dtype=np.int64)
    of_row = np.repeat(of_file, texts.sizes)
    days = np.full(len(cells), np.datetime64("NaT"), dtype="datetime64[s]")
    reasons = np.full(len(cells), "", dtype=object)
    serial = np.zeros(len(cells), dtype=bool)
    dates = cells["date"].fillna("")
    for i, (stamp, epoch, offset, order) in enumerate(kinds):
        here = np.flatnonzero(of_row == i)
        part = dates.iloc[here] if len(kinds) > 1 else dates
        read = parse_stamps(part, stamp, epoch=epoch, offset=offset, order=order, step=step)
        days[here], reasons[here], serial[here] = (column.to_numpy() for column in read)
    return days, reasons, serial


def _tell_longer(
    cells: pd.DataFrame, days: NDArray[np.datetime64], texts: TextColumns
) -> NDArray[np.bool_]:
    """Tell of files whose bars are weeks or months, which as days would be mostly gaps.

    Returns
    -------
    ndarray of bool, ``(n_rows,)``
        Where a row is of such a file.
    """
    refused = np.zeros(len(cells), dtype=bool)
    ends = np.cumsum(texts.sizes, dtype=np.int64)
    for file, size, end in zip(texts.files, texts.sizes, ends, strict=True):
        here = slice(end - size, end)
        steps = np.diff(np.unique(days[here][~np.isnat(days[here])])) / DAY
        if len(steps) >= 4 and ((steps == 7).all() or ((steps >= 28) & (steps <= 31)).all()):
            refused[here] = True
            why = f"date: bars of {np.median(steps):.0f} days; get bars of {', '.join(FREQS)}"
            for coin in cells["coin"].iloc[here].unique():
                texts.tell("unreadable_file", coin, file, 0, "", why)
    return refused


def parse_rows(
    cells: pd.DataFrame, texts: TextColumns, step: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn text into numbers and days; rows without a day or a close above 0 are left out."""
    days, day_reasons, serial = _parse_dates(cells, texts, step)
    if (longer := _tell_longer(cells, days, texts)).any():
        cells = cells[~longer].reset_index(drop=True)
        days, day_reasons, serial = days[~longer], day_reasons[~longer], serial[~longer]
    # All columns as one: pandas costs more for a call than for the few rows of a coin.
    stacked = pd.concat([cells[name].fillna("") for name in NUMBER_COLUMNS], ignore_index=True)
    shape = (len(NUMBER_COLUMNS), len(cells))
    values, bad = (column.to_numpy().reshape(shape) for column in parse_numbers(stacked))
    values = values.copy()
    close = NUMBER_COLUMNS.index("close")

    reason = np.where(day_reasons != "", "date: " + day_reasons, "")
    culprit = cells["date"].to_numpy(dtype=object)
    nameless = (cells["coin"] == "").to_numpy()
    reason[nameless] = "coin: no name that can be shown"
    culprit[nameless] = ""
    # A day before the coin was listed, or one that a site left open: it tells nothing.
    blank = (reason == "") & np.isnan(values).all(axis=0) & ~bad.any(axis=0)
    for i, name in enumerate(NUMBER_COLUMNS):
        wrong = bad[i] | (np.isnan(values[i]) & ~blank if i == close else False)
        new = (reason == "") & wrong
        if new.any():
            told = np.where(bad[i], f"{name}: no number", f"{name}: missing")
            reason = np.where(new, told, reason)
            culprit = np.where(new, cells[name], culprit)
    readable = reason == ""
    nonpositive = readable & (values[close] <= 0)
    kept = readable & ~nonpositive & ~blank

    rows = cells[["coin", "file", "line"]].assign(date=days)
    found: list[pd.DataFrame] = []

    def tell(kind: str, where: NDArray[np.bool_], value: Any, message: Any) -> None:
        if where.any():
            picked = message[where] if isinstance(message, np.ndarray) else message
            found.append(findings(kind, rows[where], value=value[where], message=picked))

    tell("unreadable_row", ~readable, culprit, reason)
    tell("nonpositive_close", nonpositive, cells["close"], "close: must be above 0")
    tell("blank_row", blank, cells["close"], "")
    tell("serial_date", serial & kept, cells["date"], "")
    for i, name in enumerate(NUMBER_COLUMNS):
        there = kept & cells[name].notna().to_numpy()  # a column that is not there misses nothing
        tell("missing_value", there & np.isnan(values[i]), cells[name], name)
        low = values[i] < 0 if name in AMOUNT_COLUMNS else values[i] <= 0
        tell("nonpositive_value", there & low, cells[name], name)
        values[i, low] = np.nan
    prices = rows.assign(**dict(zip(NUMBER_COLUMNS, values, strict=True)))
    return prices[kept], join_findings(found)
