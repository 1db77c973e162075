"""Columns of text to price rows: numbers, dates, and a finding for each cell that is neither."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import empty_findings, findings, stack_findings
from cryptodask.prices.freq import FREQS
from cryptodask.prices.read.columns import TextColumns
from cryptodask.prices.read.numbers import parse_numbers
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.own_cells import read_own
from cryptodask.prices.read.regular import as_grouped_numbers, as_numbers
from cryptodask.prices.read.stamps import read_stamps
from cryptodask.prices.schema import AMOUNT_COLUMNS, NUMBER_COLUMNS
from cryptodask.records import DAY, FloatArray

_CLOSE = NUMBER_COLUMNS.index("close")


@dataclass(frozen=True)
class _Numbers:
    """Cells of the number columns, read.

    Attributes
    ----------
    values : ndarray of float64, ``(n_columns, n_rows)``
        NaN where a cell is missing or no number.
    bad : ndarray of bool, ``(n_columns, n_rows)``
        Where a cell has something other than a finite number.
    """

    values: FloatArray
    bad: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: pd.DataFrame, texts: TextColumns) -> "_Numbers":
        """Read what is not known yet."""
        shape = (len(NUMBER_COLUMNS), len(cells))
        values, bad = np.empty(shape), np.zeros(shape, dtype=bool)
        for i, name in enumerate(NUMBER_COLUMNS):
            known = texts.values[name]
            unread = np.repeat(np.array([v is None for v in known], dtype=bool), texts.sizes)
            values[i, ~unread] = np.concatenate([*(v for v in known if v is not None), []])
            if unread.any():
                values[i, unread], bad[i, unread] = _read_numbers(cells[name][unread])
        return cls(values, bad)

    def without(self, rows: NDArray[np.bool_]) -> "_Numbers":
        """Return them without some rows."""
        return _Numbers(self.values[:, ~rows], self.bad[:, ~rows])


def _read_numbers(cells: pd.Series) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the numbers of cells, and where there is something else, ``(n,)`` each."""
    texts = pa.array(cells).fill_null("")
    numbers = as_numbers(texts)
    numbers = as_grouped_numbers(texts) if numbers is None else numbers
    if numbers is not None:
        return numbers, np.zeros(len(cells), dtype=bool)
    values, bad = parse_numbers(cells.fillna(""))
    return values.to_numpy(), bad.to_numpy()


@dataclass(frozen=True)
class _Dates:
    """Stamps of all rows, read; see `cryptodask.prices.read.stamps.Stamps`.

    Attributes
    ----------
    dates : ndarray of datetime64[s], ``(n_rows,)``
    reasons : ndarray of str, ``(n_rows,)``
    undated, serial, inside : ndarray of bool, ``(n_rows,)``
        Undated are those with a reason.
    """

    dates: NDArray[np.datetime64]
    reasons: NDArray[np.object_]
    undated: NDArray[np.bool_]
    serial: NDArray[np.bool_]
    inside: NDArray[np.bool_]

    def without(self, rows: NDArray[np.bool_]) -> "_Dates":
        """Return them without some rows."""
        rest = ~rows
        return _Dates(
            self.dates[rest],
            self.reasons[rest],
            self.undated[rest],
            self.serial[rest],
            self.inside[rest],
        )


def _parse_dates(cells: pd.DataFrame, texts: TextColumns, step: int) -> _Dates:
    """Return the dates of all rows; the stamps of one convention are read together."""
    kinds = list(dict.fromkeys(texts.stamps))
    of_file = np.asarray([kinds.index(kind) for kind in texts.stamps], dtype=np.int64)
    of_row = np.repeat(of_file, texts.sizes)
    days = np.full(len(cells), np.datetime64("NaT"), dtype="datetime64[s]")
    reasons = np.full(len(cells), "", dtype=object)
    undated, serial, inside = (np.zeros(len(cells), dtype=bool) for _ in range(3))
    codes = cells["date"].cat.codes.to_numpy()
    texts_of = cells["date"].cat.categories.to_series()
    for i, rule in enumerate(kinds):
        here = np.flatnonzero(of_row == i)
        is_here = np.zeros(len(texts_of), dtype=bool)
        is_here[codes[here]] = True
        mine = (np.cumsum(is_here) - 1)[codes[here]]
        stamps = read_stamps(texts_of[is_here].reset_index(drop=True), rule, step)
        days[here] = stamps.dates.to_numpy()[mine]
        why = stamps.reasons.to_numpy(dtype=object)
        undated[here] = (why != "")[mine]
        reasons[here[undated[here]]] = why[mine[undated[here]]]
        serial[here] = stamps.serial.to_numpy()[mine]
        inside[here] = stamps.inside[mine] & (rule.tolerance > 0)
    return _Dates(days, reasons, undated, serial, inside)


def _find_partial(rows: pd.DataFrame, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return rows stamped inside of their bar, in a file of closes that are stamped at the end.

    They are a bar that had not ended when the file was written, if they are the last of their
    coin, or the bar has a row that is stamped at its end.

    Returns
    -------
    ndarray of bool, ``(n_rows,)``
    """
    if not inside.any():
        return inside
    keys = ["coin", "file"]
    last = rows["date"] == rows.groupby(keys)["date"].transform("max")
    at_edge = pd.MultiIndex.from_frame(rows.loc[~inside, [*keys, "date"]])
    closed = pd.MultiIndex.from_frame(rows[[*keys, "date"]]).isin(at_edge)
    partial: NDArray[np.bool_] = inside & (last.to_numpy() | closed)
    return partial


def _find_longer(
    cells: pd.DataFrame, days: NDArray[np.datetime64], texts: TextColumns
) -> NDArray[np.bool_]:
    """Note files whose bars are weeks or months, which as days would be mostly gaps.

    Returns
    -------
    ndarray of bool, ``(n_rows,)``
        Where a row is of such a file.
    """
    refused = np.zeros(len(cells), dtype=bool)
    apart = np.abs(np.diff(days, append=days[-1:]))  # of two files, too, where it means nothing
    ends = np.cumsum(texts.sizes, dtype=np.int64)
    for file, size, end in zip(texts.files, texts.sizes, ends, strict=True):
        here = slice(end - size, end)
        if (apart[end - size : end - 1] == DAY).any():
            continue
        steps = np.diff(np.unique(days[here][~np.isnat(days[here])])) / DAY
        if len(steps) >= 4 and ((steps == 7).all() or ((steps >= 28) & (steps <= 31)).all()):
            refused[here] = True
            why = f"date: bars of {np.median(steps):.0f} days; get bars of {', '.join(FREQS)}"
            for coin in cells["coin"].iloc[here].unique():
                texts.note("unreadable_file", coin, file, 0, "", why)
    return refused


def parse_rows(
    cells: pd.DataFrame, texts: TextColumns, step: int, options: ReadOptions = DEFAULT_OPTIONS
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return price rows, findings, and own columns; rows without a date are left out.

    Parameters
    ----------
    cells : DataFrame, ``(n_rows,)``
        Text in the columns of the schema, and ``file`` and ``line``.
    texts : TextColumns
        How dates are written; findings about files are noted there.
    step : int
        Seconds of a bar.
    options : ReadOptions
        With the own columns that are wanted.

    Returns
    -------
    prices, findings, further : DataFrame
        Rows with a close above 0 in the columns of the schema with ``file`` and ``line``, in the
        order of the files; findings; and own columns of these and of rows without a close, see
        `cryptodask.prices.read.own_cells.read_own`.
    """
    stamps, numbers = _parse_dates(cells, texts, step), _Numbers.of(cells, texts)
    if (longer := _find_longer(cells, stamps.dates, texts)).any():
        cells = cells[~longer].reset_index(drop=True)
        stamps, numbers = stamps.without(longer), numbers.without(longer)
    values = numbers.values
    reason, culprit, readable, blank = _why_unreadable(cells, stamps, numbers)
    nonpositive = readable & (values[_CLOSE] <= 0)
    kept = readable & ~nonpositive & ~blank

    rows = cells[["coin", "file", "line"]].assign(date=stamps.dates)
    partial = _find_partial(rows, stamps.inside)
    tables = [
        findings("unreadable_row", rows[~readable], value=culprit[~readable],
                 message=reason[~readable]) if not readable.all() else empty_findings(),
        _note(rows, cells, "nonpositive_close", "close", nonpositive, "close: must be above 0"),
        _note(rows, cells, "blank_row", "close", blank),
        _note(rows, cells, "serial_date", "date", stamps.serial & kept),
        _note(rows, cells, "unended_bar", "date", partial & kept, "stamped before its end"),
    ]  # fmt: skip
    for i, name in enumerate(NUMBER_COLUMNS):
        missing = kept & np.isnan(values[i])
        if missing.any():
            missing &= cells[name].notna().to_numpy()  # a column that is not there misses nothing
        tables.append(_note(rows, cells, "missing_value", name, missing, name))
        low = values[i] < 0 if name in AMOUNT_COLUMNS else values[i] <= 0
        tables.append(_note(rows, cells, "nonpositive_value", name, kept & low, name))
        values[i, low] = np.nan
    prices = rows.assign(**dict(zip(NUMBER_COLUMNS, values, strict=True)))
    further, bad = read_own(rows, cells, ~_is_lost(stamps, cells), options)
    return prices if kept.all() else prices[kept], stack_findings([*tables, bad]), further


def _is_lost(stamps: _Dates, cells: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows have no date or no coin."""
    lost: NDArray[np.bool_] = stamps.undated | (cells["coin"] == "").to_numpy()
    return lost


def _why_unreadable(
    cells: pd.DataFrame, stamps: _Dates, numbers: _Numbers
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return why each row can't be read, the cell that is why, and where a row is blank.

    Returns
    -------
    reason, culprit : ndarray of str, ``(n_rows,)``
        The reason is empty where a row can be read.
    readable : ndarray of bool, ``(n_rows,)``
    blank : ndarray of bool, ``(n_rows,)``
        Where a row has a date and no value, such as a day before the coin was listed.
    """
    reason = np.full(len(cells), "", dtype=object)
    culprit = np.full(len(cells), "", dtype=object)
    undated = stamps.undated
    if undated.any():
        reason[undated] = "date: " + stamps.reasons[undated]
        culprit[undated] = cells["date"].to_numpy(dtype=object)[undated]
    nameless = (cells["coin"] == "").to_numpy()
    reason[nameless] = "coin: no name that can be shown"
    culprit[nameless] = ""
    readable = ~(undated | nameless)
    missing = np.isnan(numbers.values)
    blank = readable & missing.all(axis=0) & ~numbers.bad.any(axis=0)
    for i, name in enumerate(NUMBER_COLUMNS):
        new = readable & (numbers.bad[i] | (missing[i] & ~blank if i == _CLOSE else False))
        if new.any():
            bad = numbers.bad[i][new]
            reason[new] = np.where(bad, f"{name}: no number", f"{name}: missing")
            culprit[new] = cells[name].to_numpy(dtype=object)[new]
            readable &= ~new
    return reason, culprit, readable, blank


def _note(
    rows: pd.DataFrame,
    cells: pd.DataFrame,
    kind: str,
    column: str,
    where: NDArray[np.bool_],
    message: str = "",
) -> pd.DataFrame:
    """Return findings of the rows in a mask, with their cells of a column as value."""
    if not where.any():
        return empty_findings()
    return findings(kind, rows[where], value=cells[column][where], message=message)
