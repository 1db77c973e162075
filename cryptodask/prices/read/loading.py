"""Load a price file: its bytes, its text, and the cells of text or of Parquet."""

import codecs
import csv
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.layouts import HEAD

PARQUET = b"PAR1"
"""What a Parquet file begins with."""

_GZIP = b"\x1f\x8b"

_CHUNK = 1 << 24  # bytes that are read at once, and more than any line has
_BOMB_SIZE, _BOMB_RATIO = 1 << 26, 100  # gzip takes files of prices to a third or a tenth
_BOMB_CELLS, _CELLS_A_BYTE = 1 << 24, 16  # of Parquet; prices take a byte or more a cell

CellRows = list[list[str]]


def load(path: Path, size: int) -> tuple[bytes, bool, bool]:
    """Return bytes of a file without compression, whether it had one, and whether more follow.

    Parameters
    ----------
    path : Path
    size : int
        The first bytes that are wanted; -1 for all.

    Raises
    ------
    UnreadableFileError
        It is a pipe or a device, can't be opened, or would fill the memory.
    """
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
        is_text = not chunks[0].startswith(PARQUET)
        if is_text and len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
            line = sum(each.count(b"\n") for each in chunks) + 1
            raise UnreadableFileError(
                f"{path.name}: line {line}: is longer than {_CHUNK >> 20} MiB; get the file again"
            )
    return b"".join(chunks)


def is_plain_text(data: bytes) -> bool:
    """Return whether bytes are text whatever their encoding, as those of nearly all files are.

    Parameters
    ----------
    data : bytes
        Of a file without compression.
    """
    return data.isascii() and b"\0" not in data and bool(data) and not data[:1].isspace()


def decode(path: Path, data: bytes, *, is_cut: bool) -> str:
    """Return the text of a file.

    Parameters
    ----------
    path : Path
        For errors.
    data : bytes
    is_cut : bool
        Whether more follows.

    Raises
    ------
    UnreadableFileError
        It is binary, of another encoding, or empty.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in data:
        raise UnreadableFileError(f"{path.name}: is binary, not a text file of prices")
    is_plain = data.isascii()  # as nearly all are; quicker than by a codec
    text = data.decode("ascii") if is_plain else _decode(path, data, encoding, is_cut=is_cut)
    if not text or text.isspace():
        raise UnreadableFileError(f"{path.name}: is empty; get the file again")
    return text


def _decode(path: Path, data: bytes, encoding: str, *, is_cut: bool) -> str:
    """Return the text of bytes that are not all ASCII."""
    try:
        # A cut may fall inside a character, which then is left out; the file is not at fault.
        return codecs.getincrementaldecoder(encoding)().decode(data, final=not is_cut)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        is_utf16 = encoding == "utf-16"
        how = "" if is_utf16 else " (of cp1252 or Latin-1: iconv -f CP1252 -t UTF-8 FILE)"
        raise UnreadableFileError(
            f"{path.name}: line {line}: is not {error.encoding} text; save the file as UTF-8{how}"
        ) from error


def split_rows(
    path: Path, text: str, delimiter: str, limit: int | None
) -> tuple[CellRows, list[int]]:
    """Return the rows of a text that are not all blank, and the lines that they begin on, from 1.

    Parameters
    ----------
    path : Path
        For errors.
    text, delimiter : str
    limit : int, optional
        Rows at most.

    Raises
    ------
    UnreadableFileError
        A cell is too long.
    """
    # csv.reader and not pandas: it alone knows the line that a row began on.
    # Lines one by one, as most of them are wanted only once the first rows are understood.
    ends = io.StringIO(text, newline="") if "\r" in text else _lines(text)
    reader = csv.reader(ends, delimiter=delimiter)
    lines: list[int] = []
    rows: CellRows = []
    begin = 1
    try:
        for row in reader:
            # The first cell of nearly all rows shows that they are not blank.
            if row and (row[0].strip() or "".join(row).strip()):
                rows.append(row)
                lines.append(begin)
                if len(rows) == limit:
                    break
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFileError(f"{path.name}: line {reader.line_num}: {error}") from error
    return rows, lines


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        stop = text.find("\n", start) + 1 or len(text)
        yield text[start:stop]
        start = stop


def parquet_rows(path: Path, is_packed: bool, all_rows: bool) -> CellRows:
    """Return the columns' names and the rows of a Parquet file as text.

    Parameters
    ----------
    path : Path
    is_packed : bool
        Whether it is inside of gzip.
    all_rows : bool
        Whether all rows are read, or the first ones.

    Raises
    ------
    UnreadableFileError
        It can't be read.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        source = io.BytesIO(load(path, -1)[0]) if is_packed else path
        file = pyarrow.parquet.ParquetFile(source)
        _check_footer(path, file.metadata)
        if all_rows:
            table = file.read()
        else:
            batches = list(islice(file.iter_batches(batch_size=HEAD), 1))
            table = pyarrow.Table.from_batches(batches, schema=file.schema_arrow)
        frame = table.to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"{path.name}: can't be read as Parquet: {error}") from error
    # By place, since two columns may have one name.
    columns = [_as_text(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return [[str(name) for name in frame.columns], *map(list, zip(*columns, strict=True))]


def _check_footer(path: Path, footer: Any) -> None:
    """Refuse Parquet that has more rows, or larger ones, than prices of its size can have."""
    size = path.stat().st_size
    cells = footer.num_rows * footer.num_columns
    unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    if cells > max(_BOMB_CELLS, _CELLS_A_BYTE * size) or unpacked > max(
        _BOMB_SIZE, _BOMB_RATIO * size
    ):
        raise UnreadableFileError(
            f"{path.name}: Parquet of {footer.num_rows:,} rows in {size:,} bytes, which no file of "
            "prices does; look at it before you read it"
        )


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
