"""Read a file into rows of cells: text of any encoding and delimiter, gzip, and Parquet."""

import codecs
import csv
import gzip
import io
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.read.layouts import HEAD, Layout, find_layout
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.regular import (
    Body,
    Numeric,
    Texts,
    find_body,
    numeric_columns,
    parse_bodies,
)
from cryptodask.prices.read.stamps import in_24_hours, joined_stamp

SNIFF = 65_536
"""Bytes that are read to see what a file is: enough for any header and some rows."""

_DELIMITERS = (",", ";", "\t", "|")
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"

_CHUNK = 1 << 24  # bytes that are read at once, and more than any line has
_BOMB_SIZE, _BOMB_RATIO = 1 << 26, 100  # gzip takes files of prices to a third or a tenth

CellRows = list[list[str]]


class Cells:
    """The rows of one file, and its layout.

    Attributes
    ----------
    layout : Layout
        See `cryptodask.prices.read.layouts`.
    rows : list of list of str
        Rows under the header that are not blank, of any width.
    lines : list of int
        The line that each began on, from 1; of Parquet, the number of the row.
    delimiter : str
        Between cells; empty for Parquet.
    notes : list of str
        What else is to be said of the file.
    numeric : Numeric
        Columns of which it is known that they hold nothing but numbers.
    known : Known, optional
        What the first rows showed, of a file that may be regular.
    """

    numeric: Numeric = Numeric()
    known: "Known | None" = None

    def __init__(
        self, layout: Layout, rows: CellRows, lines: list[int], delimiter: str, notes: list[str]
    ) -> None:
        self.layout, self.delimiter, self.notes = layout, delimiter, notes
        self.rows, self.lines = rows[layout.first :], lines[layout.first :]

    def first_row(self) -> list[str]:
        """Return the cells of the first row; none where there is no row."""
        return self.rows[0] if self.rows else []

    def full_rows(self) -> CellRows:
        """Return the rows of the right width."""
        return [row for row in self.rows if len(row) == self.layout.width]

    def ragged(self) -> list[tuple[int, list[str]]]:
        """Return the line and the cells of each row of another width."""
        pairs = zip(self.lines, self.rows, strict=True)
        return [(line, row) for line, row in pairs if len(row) != self.layout.width]

    def full_lines(self) -> NDArray[np.int64]:
        """Return the lines of the rows of the right width, ``(n_rows,)``."""
        pairs = zip(self.lines, self.rows, strict=True)
        full = [line for line, row in pairs if len(row) == self.layout.width]
        return np.array(full, dtype=np.int64)

    @cached_property
    def _columns(self) -> list[tuple[str, ...]]:
        rows = self.full_rows()
        return list(zip(*rows, strict=True)) if rows else [()] * self.layout.width

    def column(self, place: int) -> Texts:
        """Return the cells of a column ``(n_rows,)``, of rows of the right width alone."""
        return pa.array(self._columns[place], type=pa.large_string())


@dataclass(frozen=True)
class Known:
    """What the first rows of a file showed, for those who read all of it later.

    Attributes
    ----------
    size, changed : int
        Bytes of the file, and when it was changed, in nanoseconds since 1970: of a file of which
        they differ, this is not known any more.
    layout : Layout
    delimiter : str
    first : int
        The line of the first row, from 1.
    """

    size: int
    changed: int
    layout: Layout
    delimiter: str
    first: int

    @classmethod
    def of(cls, path: Path, cells: Cells) -> "Known | None":
        """Return what the first rows of a file show; None of one that is read line by line."""
        if not cells.delimiter or cells.layout.is_doubtful or _has_odd_times(cells):
            return None
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, cells.layout, cells.delimiter, cells.lines[0])

    def is_of(self, path: Path) -> bool:
        """Return whether a file is as it was."""
        stat = path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.changed)

    @property
    def key(self) -> tuple[str, int, tuple[int, ...], int]:
        """What files must have in common to be parsed together."""
        layout = self.layout
        places = {*layout.columns.values(), *layout.coins.values()}
        return self.delimiter, layout.width, tuple(sorted(places)), layout.columns["date"]


class RegularCells(Cells):
    """The rows of a file that is regular; see `cryptodask.prices.read.regular`.

    Parameters
    ----------
    known : Known
    body : Body
        All rows.
    table : pyarrow.Table
        The columns that are known, by their places.
    notes : list of str
    numeric : Numeric
    """

    def __init__(
        self, known: Known, body: Body, table: pa.Table, notes: list[str], numeric: Numeric
    ) -> None:
        self.layout, self.delimiter, self.notes = known.layout, known.delimiter, notes
        self.known, self.numeric, self._body = known, numeric, body
        self._texts = dict(zip(map(int, table.column_names), table.columns, strict=True))

    @cached_property
    def rows(self) -> CellRows:  # type: ignore[override]
        """Rows under the header; they are split only if somebody asks for them."""
        return self._split(self._body.data)

    def _split(self, data: bytes) -> CellRows:
        text = io.StringIO(data.decode("utf-8"), newline="")
        return list(csv.reader(text, delimiter=self.delimiter))

    @property
    def lines(self) -> list[int]:  # type: ignore[override]
        """The line of each row."""
        return self.full_lines().tolist()

    def first_row(self) -> list[str]:
        """Return the cells of the first row."""
        return self._split(self._body.data.partition(b"\n")[0])[0]

    def full_rows(self) -> CellRows:
        """Return all rows, which are of one width."""
        return self.rows

    def ragged(self) -> list[tuple[int, list[str]]]:
        """Return none."""
        return []

    def full_lines(self) -> NDArray[np.int64]:
        """Return the line of each row, ``(n_rows,)``."""
        assert self.known is not None
        return np.arange(self._body.rows, dtype=np.int64) + self.known.first

    def column(self, place: int) -> Texts:
        """Return the cells of a column ``(n_rows,)``."""
        return self._texts[place] if place in self._texts else super().column(place)


@dataclass(frozen=True)
class _Opened:
    """A file, and its body if it may be regular."""

    path: Path
    data: bytes
    is_packed: bool
    known: Known | None
    body: Body | None


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
    data, is_packed, is_cut = _load(path, SNIFF)
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
    found: dict[Path, Cells | PriceFileError] = {}
    groups: dict[tuple[str, int, tuple[int, ...], int], list[_Opened]] = {}
    for path, known in files.items():
        try:
            opened = _open(path, known, options)
        except PriceFileError as error:
            found[path] = error
        else:
            key = opened.known.key if opened.known and opened.body else ("", 0, (), 0)
            groups.setdefault(key, []).append(opened)
    for (delimiter, width, places, date), group in groups.items():
        bodies = [opened.body for opened in group if opened.body is not None]
        tables = parse_bodies(bodies, width, places, date, delimiter) if bodies else []
        numeric = numeric_columns(tables)
        for opened, table in zip_longest(group, tables):
            try:
                found[opened.path] = _cells_of(opened, table, numeric, options)
            except PriceFileError as error:
                found[opened.path] = error
    return found


def _open(path: Path, known: Known | None, options: ReadOptions) -> _Opened:
    """Load a file, and look whether it is regular."""
    data, is_packed, _ = _load(path, -1)
    if known is None or not known.is_of(path):
        head = _split_cells(path, data, is_packed, options, all_rows=False)
        known = Known.of(path, head)
    else:
        _decode(path, data, cut=False)  # refuses what is no text
    body = None
    if known is not None and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = find_body(data.removeprefix(codecs.BOM_UTF8), known.first, known.delimiter)
    return _Opened(path, data, is_packed, known, body)


def _cells_of(
    opened: _Opened, table: pa.Table | None, numeric: Numeric, options: ReadOptions
) -> Cells:
    """Return the rows of a file; where it is not regular, line by line."""
    if table is None or opened.known is None or opened.body is None:
        return _split_cells(opened.path, opened.data, opened.is_packed, options)
    notes = ["gzip"] if opened.is_packed else []
    return RegularCells(opened.known, opened.body, table, notes, numeric)


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
    if data.startswith(_PARQUET):
        rows = _parquet_rows(path, is_packed, all_rows)
        return _understood(path, {"": (rows, list(range(len(rows))))}, options, [*notes, "Parquet"],
                           all_rows)  # fmt: skip
    text = _decode(path, data, is_cut)
    limit = None if all_rows else 2 * HEAD
    splits: dict[str, tuple[CellRows, list[int]]] = {}
    for delimiter in _DELIMITERS:
        rows, lines = _split(path, text, delimiter, limit)
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
    """Write times by 24 hours, and behind the day where they are in another column."""
    place, clock, width = cells.layout.columns["date"], cells.layout.clock, cells.layout.width
    if clock is not None:
        for row in cells.rows:
            if len(row) == width:
                row[place] = joined_stamp(row[place], row[clock])
        cells.notes.append("day and time are in two columns")
    elif _has_odd_times(cells):
        for row in cells.rows:
            row[place:] = [*map(in_24_hours, row[place : place + 1]), *row[place + 1 :]]


def _has_odd_times(cells: Cells) -> bool:
    """Return whether times are not by 24 hours, or in another column than the day."""
    place = cells.layout.columns["date"]
    return cells.layout.clock is not None or any(
        row[place].strip()[-1:] in ("M", "m", ".") for row in cells.rows[:HEAD] if row[place:]
    )


def _load(path: Path, size: int) -> tuple[bytes, bool, bool]:
    """Return (the first ``size``) bytes without compression, whether it had one, and if cut."""
    try:
        # A pipe would wait for a writer for ever, and a device may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFileError(f"{path.name}: is a pipe or a device; give a regular file")
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if not packed:
                data = _read(path, file, size, file)
            else:
                with gzip.open(file) as unpacked:
                    data = _read(path, unpacked, size, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFileError(f"{path.name}: is damaged gzip: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"{path.name}: can't be opened: {error.strerror}") from error
    return data, packed, len(data) == size


def _read(path: Path, file: Any, size: int, raw: Any) -> bytes:
    """Read (the first ``size``) bytes in chunks; refuse what would fill the memory.

    Parameters
    ----------
    path : Path
        For errors.
    file, raw : file
        What is read, and the file on disk below it.
    size : int
        Bytes, or -1 for all.
    """
    if size >= 0:
        return bytes(file.read(size))
    chunks: list[bytes] = []
    total = 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        total += len(chunk)
        if file is not raw and total > _BOMB_SIZE and total > _BOMB_RATIO * raw.tell():
            raise UnreadableFileError(
                f"{path.name}: gzip that unpacks to over {_BOMB_RATIO} times its size, which no "
                "file of prices does; unpack it and look at it before you read it"
            )
        # A chunk is shorter only at the end of a file, or where a stream gives less.
        is_text = not chunks[0].startswith(_PARQUET)
        if is_text and len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
            line = sum(each.count(b"\n") for each in chunks) + 1
            raise UnreadableFileError(
                f"{path.name}: line {line}: is longer than {_CHUNK >> 20} MiB; get the file again"
            )
    return b"".join(chunks)


def _decode(path: Path, data: bytes, cut: bool) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in data:
        raise UnreadableFileError(f"{path.name}: is binary, not a text file of prices")
    try:
        # A cut may fall inside a character, which then is left out; the file is not at fault.
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{path.name}: byte {error.start} is not {error.encoding} text; save the file as UTF-8"
        ) from error
    if not text.strip():
        raise UnreadableFileError(f"{path.name}: is empty; get the file again")
    return text


def _split(path: Path, text: str, delimiter: str, limit: int | None) -> tuple[CellRows, list[int]]:
    """Split a text into rows of cells that are not all blank, and their line numbers (from 1)."""
    # csv.reader and not pandas: it alone knows the line that a row began on.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[int] = []
    rows: CellRows = []
    begin = 1
    try:
        for row in reader:
            if any(row) and not "".join(row).isspace():
                rows.append(row)
                lines.append(begin)
                if len(rows) == limit:
                    break
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFileError(f"{path.name}: line {reader.line_num}: {error}") from error
    return rows, lines


def _parquet_rows(path: Path, packed: bool, all_rows: bool) -> CellRows:
    """Return the columns' names and the rows of a Parquet file as text."""
    import pyarrow
    import pyarrow.parquet

    try:
        source = io.BytesIO(_load(path, -1)[0]) if packed else path
        file = pyarrow.parquet.ParquetFile(source)
        if all_rows:
            table = file.read()
        else:
            batches = list(file.iter_batches(batch_size=HEAD))[:1]
            table = pyarrow.Table.from_batches(batches, schema=file.schema_arrow)
        frame = table.to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"{path.name}: can't be read as Parquet: {error}") from error
    columns = [_as_text(frame[name]) for name in frame.columns]
    return [[str(name) for name in frame.columns], *map(list, zip(*columns, strict=True))]


def _as_text(column: pd.Series) -> list[str]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        # In its own zone, where midnight names the session.
        text = column.dt.strftime("%Y-%m-%d %H:%M:%S%z")
    elif pd.api.types.is_datetime64_dtype(column.dtype):
        # pandas has no type for days: moments that are all at midnight are days without a time.
        days = (column.dropna() == column.dropna().dt.normalize()).all()
        text = column.dt.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S")
    else:
        text = column.map(str)
    return list(text.where(column.notna(), ""))
