"""Read a file into rows of cells: text of any encoding and delimiter, gzip, and Parquet."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.read.clocks import joined_stamp, plain_stamp
from cryptodask.prices.read.file_cells import Cells, Known, RegularCells
from cryptodask.prices.read.layouts import HEAD, find_layout
from cryptodask.prices.read.loading import (
    PARQUET,
    CellRows,
    decode,
    is_plain_text,
    load,
    parquet_rows,
    split_rows,
)
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.regular import (
    Body,
    Numeric,
    Parsed,
    find_body,
    numeric_columns,
    parse_bodies,
)

SNIFF = 65_536
"""Bytes that are read to see what a file is: enough for any header and some rows."""

_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class _Regular:
    """A file that may be regular: what is known of it, and its body."""

    path: Path
    data: bytes
    is_packed: bool
    known: Known
    body: Body


def read_cells(path: Path, options: ReadOptions, *, all_rows: bool = True) -> Cells:
    """Return the rows of a file, all of them or only the first ones.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        What the file leaves open.
    all_rows : bool
        Whether all rows are read.

    Returns
    -------
    Cells
        With all rows, too, where the first ones do not decide which column is which.

    Raises
    ------
    NotAPriceFileError
        It is a table of something else.
    UnreadableFileError
        It is empty, binary, has no row or two columns of one name, or can't be opened.
    """
    if all_rows:
        [cells] = read_all_cells({path: None}, options).values()
        if isinstance(cells, PriceFileError):
            raise cells
        return cells
    data, is_packed, is_cut = load(path, SNIFF)
    cells = _split_cells(path, data, is_packed, options, is_cut=is_cut, all_rows=False)
    if cells.layout.is_doubtful:
        return read_cells(path, options)
    cells.known = Known.of(path, cells)
    return cells


def read_all_cells(
    files: Mapping[Path, Known | None], options: ReadOptions
) -> dict[Path, Cells | PriceFileError]:
    """Return all rows of files, those that are regular parsed together.

    Parameters
    ----------
    files : mapping of Path to Known, optional
        With what is known of each.
    options : ReadOptions
        What the files leave open.

    Returns
    -------
    dict of Path to Cells or PriceFileError
        The error that `read_cells` raises where a file can't be read.
    """
    cells_of: dict[Path, Cells | PriceFileError] = {}
    groups: dict[tuple[str, int, tuple[int, ...], int], list[_Regular]] = {}
    for path, known in files.items():
        try:
            opened = _open(path, known, options)
        except PriceFileError as error:
            cells_of[path] = error
            continue
        if isinstance(opened, Cells):
            cells_of[path] = opened
        else:
            further = (*options.further, *options.facts)
            groups.setdefault(opened.known.key(further), []).append(opened)
    for (delimiter, width, places, date), group in groups.items():
        bodies = parse_bodies([file.body for file in group], width, places, date, delimiter)
        tables = [parsed and parsed.table for parsed in bodies]
        for file, parsed, numeric in zip(group, bodies, numeric_columns(tables), strict=True):
            try:
                cells_of[file.path] = _cells_of(file, parsed, numeric, options)
            except PriceFileError as error:
                cells_of[file.path] = error
    return cells_of


def _open(path: Path, known: Known | None, options: ReadOptions) -> Cells | _Regular:
    """Load a file that may be regular, or split it line by line."""
    data, is_packed, _ = load(path, -1)
    if known is None or not known.is_of(path):
        head = _split_cells(path, data, is_packed, options, all_rows=False)
        known = Known.of(path, head)
    elif not is_plain_text(data):
        decode(path, data, is_cut=False)  # refuses what is not text
    if known is not None and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = find_body(data.removeprefix(codecs.BOM_UTF8), known.first, known.delimiter)
        if body is not None:
            return _Regular(path, data, is_packed, known, body)
    return _split_cells(path, data, is_packed, options)


def _cells_of(
    file: _Regular, parsed: Parsed | None, numeric: Numeric, options: ReadOptions
) -> Cells:
    """Return the rows of a file; where it was not regular after all, line by line."""
    if parsed is None:
        return _split_cells(file.path, file.data, file.is_packed, options)
    notes = ["gzip"] if file.is_packed else []
    return RegularCells(file.known, file.body, parsed, notes, numeric)


def _split_cells(
    path: Path,
    data: bytes,
    is_packed: bool,
    options: ReadOptions,
    *,
    is_cut: bool = False,
    all_rows: bool = True,
) -> Cells:
    """Return the rows of a file, all of them or the first ones, split line by line."""
    notes = ["gzip"] if is_packed else []
    if data.startswith(PARQUET):
        rows = parquet_rows(path, is_packed, all_rows)
        # What was JSON came here as Parquet, under its own name.
        name = path.name.lower().removesuffix(".gz")
        form = "JSON" if name.endswith((".json", ".jsonl", ".ndjson")) else "Parquet"
        return _understood(path, {"": (rows, list(range(len(rows))))}, options, [*notes, form],
                           all_rows)  # fmt: skip
    text = decode(path, data, is_cut=is_cut)
    limit = None if all_rows else 2 * HEAD
    splits: dict[str, tuple[CellRows, list[int]]] = {}
    for delimiter in _DELIMITERS:
        rows, lines = split_rows(path, text, delimiter, limit)
        if is_cut and (limit is None or len(rows) < limit):
            rows, lines = rows[:-1], lines[:-1]  # the last one may be cut off
            if len(rows) < 3:
                return read_cells(path, options)
        splits[delimiter] = rows, lines
        try:
            return _understood(path, {delimiter: splits[delimiter]}, options, notes, all_rows)
        except NotAPriceFileError:
            continue
    return _understood(path, splits, options, notes, all_rows)


def _understood(
    path: Path,
    splits: dict[str, tuple[CellRows, list[int]]],
    options: ReadOptions,
    notes: list[str],
    all_rows: bool,
) -> Cells:
    """Find the layout of the split of a file that has the most columns."""
    delimiter = max(splits, key=lambda d: max(map(len, splits[d][0][:6]), default=0))
    rows, lines = splits[delimiter]
    try:
        layout = find_layout(rows[: 2 * HEAD], options)
        if layout.is_doubtful and all_rows:
            layout = find_layout(rows, options, has_all=True)
    except (NotAPriceFileError, UnreadableFileError) as error:
        raise type(error)(f"{path.name}: {error}") from None
    cells = Cells(layout, rows, lines, delimiter, notes)
    _write_out_times(cells)
    if not cells.rows:
        raise UnreadableFileError(f"{path.name}: has a header and no row; get the file again")
    return cells


def _write_out_times(cells: Cells) -> None:
    """Write times by 24 hours, with colons, and behind the day where another column has them."""
    place, clock, width = cells.layout.columns["date"], cells.layout.clock, cells.layout.width
    if clock is not None:
        for row in cells.rows:
            if len(row) == width:
                row[place] = joined_stamp(row[place], row[clock])
        cells.notes.append("day and time are in two columns")
    elif cells.has_odd_times:
        for row in cells.rows:
            row[place:] = [*map(plain_stamp, row[place : place + 1]), *row[place + 1 :]]
