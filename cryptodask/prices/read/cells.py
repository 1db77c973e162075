"""Read a file into rows of cells: text of any encoding and delimiter, gzip, and Parquet."""

import codecs
import csv
import gzip
import io
import zlib
from pathlib import Path

import pandas as pd

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.read.layouts import HEAD, Layout, find_layout
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.stamps import in_24_hours

SNIFF = 65_536
"""Bytes that are read to see what a file is: enough for any header and some rows."""

_DELIMITERS = (",", ";", "\t")
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"

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
    """

    def __init__(
        self, layout: Layout, rows: CellRows, lines: list[int], delimiter: str, notes: list[str]
    ) -> None:
        self.layout, self.delimiter, self.notes = layout, delimiter, notes
        self.rows, self.lines = rows[layout.first :], lines[layout.first :]


def read_cells(path: Path, options: ReadOptions, *, all_rows: bool = True) -> Cells:
    """Return the rows of a file, all of them or only the first ones.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        What the file leaves open.
    all_rows : bool
        Whether all rows are read.

    Raises
    ------
    NotAPriceFileError
        It is a table of something else.
    UnreadableFileError
        It is empty, binary, has no row or two columns of one name, or can't be opened.
    """
    data, packed, cut = _load(path, -1 if all_rows else SNIFF)
    notes = ["gzip"] if packed else []
    if data.startswith(_PARQUET):
        rows = _parquet_rows(path, packed, all_rows)
        return _understood(path, {"": (rows, list(range(len(rows))))}, options, [*notes, "Parquet"])
    text = _decode(path, data, cut)
    limit = None if all_rows else 2 * HEAD
    splits: dict[str, tuple[CellRows, list[int]]] = {}
    for delimiter in _DELIMITERS:
        rows, lines = _split(path, text, delimiter, limit)
        if cut and (limit is None or len(rows) < limit):
            rows, lines = rows[:-1], lines[:-1]  # the last one may be cut off
            if len(rows) < 3:
                return read_cells(path, options)
        splits[delimiter] = rows, lines
        try:
            return _understood(path, {delimiter: splits[delimiter]}, options, notes)
        except NotAPriceFileError:
            continue
    return _understood(path, splits, options, notes)


def _understood(
    path: Path,
    splits: dict[str, tuple[CellRows, list[int]]],
    options: ReadOptions,
    notes: list[str],
) -> Cells:
    """Find the layout of the split of a file that has the most columns."""
    delimiter = max(splits, key=lambda d: max(map(len, splits[d][0][:6]), default=0))
    rows, lines = splits[delimiter]
    try:
        layout = find_layout(rows[: 2 * HEAD], options)
    except (NotAPriceFileError, UnreadableFileError) as error:
        raise type(error)(f"{path.name}: {error}") from None
    cells = Cells(layout, rows, lines, delimiter, notes)
    place = layout.columns["date"]
    if any(row[place].strip()[-1:] in ("M", "m", ".") for row in cells.rows[:HEAD] if row[place:]):
        for row in cells.rows:
            row[place:] = [*map(in_24_hours, row[place : place + 1]), *row[place + 1 :]]
    if not cells.rows:
        raise UnreadableFileError(f"{path.name}: has a header and no row; get the file again")
    return cells


def _load(path: Path, size: int) -> tuple[bytes, bool, bool]:
    """Return (the first ``size``) bytes without compression, whether it had one, and if cut."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if not packed:
                data = file.read(size)
            else:
                with gzip.open(file) as unpacked:
                    data = unpacked.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFileError(f"{path.name}: is damaged gzip: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"{path.name}: can't be opened: {error.strerror}") from error
    return data, packed, len(data) == size


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
        text = column.dt.tz_convert("UTC").dt.strftime("%Y-%m-%d %H:%M:%S+00:00")
    elif pd.api.types.is_datetime64_dtype(column.dtype):
        # pandas has no type for days: moments that are all at midnight are days without a time.
        days = (column.dropna() == column.dropna().dt.normalize()).all()
        text = column.dt.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S")
    else:
        text = column.map(str)
    return list(text.where(column.notna(), ""))
