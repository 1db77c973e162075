"""Files of prices inside others: zip archives, Excel workbooks and JSON, made into plain files.

They are written to a folder of this process, under their own names, so that findings name them.
"""

import csv
import gzip
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.text import counted

JSON_LINES, WORKBOOK, ARCHIVE = (".jsonl", ".ndjson"), ".xlsx", ".zip"

_LINE, _ARRAY = 1 << 20, 1 << 26  # bytes of a line of JSON, and of an array, at most
_BOMB_SIZE, _BOMB_RATIO = 1 << 24, 200  # archives take prices to a third or a tenth
_BOMB_CELLS = 1 << 26  # of a sheet, or of objects of JSON that have few names in common
_CHUNK, _ROWS = 1 << 20, 50_000


def is_packed(path: Path) -> bool:
    """Return whether a file, by its name, holds files or tables that have to be taken out of it.

    Parameters
    ----------
    path : Path
    """
    return _suffix(path) in (*JSON_LINES, ".json", WORKBOOK, ARCHIVE)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def unpack(path: Path, folder: Path) -> list[Path]:
    """Return plain files with what a file holds.

    Parameters
    ----------
    path : Path
    folder : Path
        To write to.

    Returns
    -------
    list of Path
        Of an archive its files; else one with the name of the file itself, and rows of text.

    Raises
    ------
    NotAPriceFileError
        It is JSON of something else.
    UnreadableFileError
        It is damaged, locked, has several sheets, or needs a package that is not installed.
    """
    suffix = _suffix(path)
    if not path.is_file():
        raise UnreadableFileError(f"{path.name}: is not a regular file; remove it")
    if suffix == ARCHIVE:
        return _unpack_archive(path, folder)
    out = folder / path.name
    if suffix == WORKBOOK:
        _write_sheet(path, out)
    else:
        _write_json(path, out)
    return [out]


def _unpack_archive(path: Path, folder: Path) -> list[Path]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if _counts(member)]
            if not members:
                raise UnreadableFileError(f"{path.name}: is a zip without files; get it again")
            _check_size(path, members)
            return [
                _extract(path, archive, member, folder / str(number))
                for number, member in enumerate(members)
            ]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise UnreadableFileError(f"{path.name}: is a damaged zip: {error}") from error


def _counts(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a file that people see."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    return bool(parts) and not (
        member.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith(".")
    )


def _check_size(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    packed = sum(member.compress_size for member in members)
    _check_ratio(path, sum(member.file_size for member in members), packed)


def _check_ratio(path: Path, size: int, packed: int) -> None:
    """Refuse what unpacks to more than prices do, before it fills a disk or memory."""
    if size > _BOMB_SIZE and size > _BOMB_RATIO * max(packed, 1):
        raise UnreadableFileError(
            f"{path.name}: unpacks to over {_BOMB_RATIO} times its size, which no prices do; "
            "unpack it and look at it before you read it"
        )


def _extract(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Write a member of an archive into a folder by the last part of its name alone."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    if member.flag_bits & 1:
        raise UnreadableFileError(f"{path.name}: {name} needs a password; unpack it, and give that")
    if _suffix(Path(name)) == ARCHIVE:
        raise UnreadableFileError(f"{path.name}: {name} is a zip inside a zip; unpack it")
    folder.mkdir(parents=True)
    out, left = folder / name, member.file_size
    with archive.open(member) as packed, out.open("wb") as plain:
        while chunk := packed.read(_CHUNK):
            left -= len(chunk)
            if left < 0:  # the archive lies about its size
                raise UnreadableFileError(f"{path.name}: {name} is larger than the zip says")
            plain.write(chunk)
    return out


def _write_sheet(path: Path, out: Path) -> None:
    """Write the only sheet of a workbook as text, each row on the line of its number."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise UnreadableFileError(
            f"{path.name}: Excel workbooks need openpyxl: `pip install 'cryptodask[excel]'`, or "
            "save the sheet as CSV"
        ) from error
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(path, archive.infolist())
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = {sheet.title: _sheet_rows(path, sheet) for sheet in book.worksheets}
        book.close()
    except UnreadableFileError:
        raise
    except Exception as error:  # whatever a damaged workbook does to the library
        raise UnreadableFileError(f"{path.name}: can't be read as Excel: {error}") from error
    full = {name: rows for name, rows in sheets.items() if sum(any(_texts(r)) for r in rows) > 1}
    if len(full) != 1:
        shown = ", ".join(full)[:100]
        raise UnreadableFileError(
            f"{path.name}: has {counted(len(full), 'sheet')} with rows ({shown}); save the one of "
            "prices as CSV, or each of them under the name of its coin"
        )
    rows = next(iter(full.values()))
    width = max(map(len, rows))
    timed = {i for row in rows for i, cell in enumerate(row) if _has_time(cell)}
    while width and not any(len(row) >= width and row[width - 1] is not None for row in rows):
        width -= 1
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(_texts(row, timed)[:width] for row in rows)


def _sheet_rows(path: Path, sheet: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a sheet; one cell far away makes each row, and their number, as large."""
    rows, cells = [], 0
    for row in sheet.iter_rows(values_only=True):
        rows.append(row)
        cells += len(row)
        if cells > _BOMB_CELLS:
            raise UnreadableFileError(
                f"{path.name}: sheet {sheet.title} reaches over {_BOMB_CELLS:,} cells; delete what "
                "lies far from the prices, or save them as CSV"
            )
    return rows


def _has_time(cell: Any) -> bool:
    return isinstance(cell, datetime) and cell.time() != time()


def _texts(row: Sequence[Any], timed: Iterable[int] = ()) -> list[str]:
    """Return cells of a workbook as text; dates have a time in the columns that are timed."""
    return [_text(cell, is_timed=i in timed) for i, cell in enumerate(row)]


def _text(cell: Any, *, is_timed: bool) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S" if is_timed else "%Y-%m-%d")
    if isinstance(cell, date):
        return cell.isoformat()
    return " ".join(str(cell).splitlines())


def _write_json(path: Path, out: Path) -> None:
    """Write objects of JSON as a table of text, a row each: row n of JSON lines is line n."""
    try:
        _check_gzip(path)
        # Twice, since the last object may have a name that no other has, and memory may not do.
        counts: Counter[str] = Counter()
        n_objects = 0
        for row in _json_objects(path):
            n_objects += 1
            counts.update(row.keys())
        names = list(counts)
        if len(names) * n_objects > max(_BOMB_CELLS, _BOMB_RATIO * counts.total()):
            raise UnreadableFileError(
                f"{path.name}: {n_objects:,} objects with {len(names):,} names, and each "
                "has few of them; write all with the same names: date, coin, close"
            )
        if not names:
            raise UnreadableFileError(f"{path.name}: has no object of JSON; get the file again")
        schema = pa.schema([(name, pa.string()) for name in names])
        with pq.ParquetWriter(out, schema) as writer:
            rows = _json_objects(path)
            while some := list(islice(rows, _ROWS)):
                columns = [
                    pa.array([_json_text(r.get(n)) for r in some], pa.string()) for n in names
                ]
                writer.write_table(pa.table(columns, schema=schema))
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"{path.name}: can't be read as JSON: {error}") from error


def _json_objects(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        first = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        file.seek(0)
        if first == b"[":
            yield from _json_array(path, file)
            return
        number = 0
        while line := file.readline(_LINE):
            number += 1
            text = line.decode("utf-8-sig")
            if text.strip():
                yield _json_object(path, number, text, is_cut=len(line) == _LINE)


def _check_gzip(path: Path) -> None:
    """Refuse gzip that unpacks to too much before any of it is parsed, which takes far longer."""
    if not _is_gzip(path):
        return
    size, packed = 0, path.stat().st_size
    with _open(path) as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            _check_ratio(path, size, packed)


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _json_array(path: Path, file: IO[bytes]) -> list[dict[str, Any]]:
    content = file.read(_ARRAY + 1)
    if len(content) > _ARRAY:
        raise UnreadableFileError(
            f"{path.name}: is an array of JSON of over {_ARRAY >> 20} MiB; write it as JSON lines, "
            "or as CSV"
        )
    rows = _parse(path, content.decode("utf-8-sig"), "")
    if not all(isinstance(row, dict) for row in rows):
        raise _other_json(path)
    return list(rows)


def _json_object(path: Path, number: int, text: str, *, is_cut: bool) -> dict[str, Any]:
    if is_cut:
        raise UnreadableFileError(
            f"{path.name}: line {number}: is longer than {_LINE >> 20} MiB; get the file again"
        )
    if number == 1 and path.name.lower().removesuffix(".gz").endswith(".json"):
        try:
            row = _parse(path, text, "")
        except UnreadableFileError:
            raise _other_json(path) from None
    else:
        row = _parse(path, text, f"line {number}: ")
    if not isinstance(row, dict):
        raise _other_json(path)
    return row


class _TwiceError(Exception):
    """A key is twice in one object; JSON would take the last without a word."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _TwiceError(key)
    return row


def _parse(path: Path, text: str, where: str) -> Any:
    try:
        # Numbers stay as they are written.
        return json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise UnreadableFileError(
            f"{path.name}: {where}has the key {str(error)!r} twice in one object; keep one of them"
        ) from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnreadableFileError(
            f"{path.name}: {where}is not JSON: {error}; mend it, or get the file again"
        ) from error


def _other_json(path: Path) -> NotAPriceFileError:
    return NotAPriceFileError(
        f"{path.name}: is JSON of another form; read are an object a line, or an array of objects, "
        "with a date and a close"
    )


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
