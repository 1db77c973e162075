"""Files of prices to rows and findings, many files at a time.

Nothing here knows of folders, tables or Dask. The text of all files of a partition is split one
file at a time and then parsed as one long frame, which costs a tenth of doing it file by file.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.clean import describe_series, keep_one_row_a_day
from cryptodask.prices.findings import empty_findings, file_finding, findings, join_findings
from cryptodask.prices.parse import parse_days, parse_numbers
from cryptodask.prices.schema import AMOUNT_COLUMNS, NUMBER_COLUMNS, as_price_dtypes

_NEEDED = ("date", "close")
_SNIFF = 65_536  # bytes; enough for any header and a first row


@dataclass(frozen=True, slots=True)
class PriceFile:
    """A file and the coin whose prices it holds."""

    coin: str
    path: Path


@dataclass(frozen=True)
class Reading:
    """What files gave.

    Attributes
    ----------
    prices : DataFrame
        Clean rows in the columns of `cryptodask.prices.schema`, by coin and date.
    findings : DataFrame
        See `cryptodask.prices.findings`.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame


def check_price_file(path: Path) -> None:
    """Look at a file's first bytes, and refuse what is no file of prices with at least one row.

    Raises
    ------
    NotAPriceFileError
        It is a table without a date or a close.
    UnreadableFileError
        It is empty, binary, has no row or two columns of one name, or can't be opened.
    """
    header, _, rows = _split(_decode(path, _SNIFF), path)
    _name_columns(header, path)
    if not rows:
        raise UnreadableFileError(f"{path.name}: has a header and no row; get the file again")


def read_price_files(files: Sequence[PriceFile]) -> Reading:
    """Read files in the layout of coin listings: ``Date,Open,High,Low,Close,Volume,Market Cap``.

    Columns are found by their names, in any order; only date and close are needed. What can't be
    read becomes a finding with its file, line and reason, and everything else is kept.
    """
    found: list[pd.DataFrame] = []
    texts: list[pd.DataFrame] = []
    for file in files:
        try:
            cells, ragged = _read_cells(file)
        except PriceFileError as error:
            found.append(file_finding(kind_of(error), file.coin, file.path.name, reason_of(error)))
        else:
            texts.append(cells)
            found.append(ragged)
    empty = pd.DataFrame(columns=["coin", "file", "line", "date", *NUMBER_COLUMNS], dtype="str")
    cells = pd.concat([empty, *texts], ignore_index=True)
    prices, row_findings = _parse_rows(cells.astype({"line": "int64"}))
    prices, day_findings = keep_one_row_a_day(prices)
    found += [row_findings, day_findings, describe_series(prices)]
    return Reading(as_price_dtypes(prices).reset_index(drop=True), join_findings(found))


def kind_of(error: PriceFileError) -> str:
    """Return the kind of finding that an error about a whole file is."""
    is_other = isinstance(error, NotAPriceFileError)
    return "not_a_price_file" if is_other else "unreadable_file"


def reason_of(error: PriceFileError) -> str:
    """Return the message without the file's name, which a finding has in a column of its own."""
    return str(error).partition(": ")[2]


def _decode(path: Path, size: int = -1) -> str:
    """Return the text of a file (or of its first ``size`` bytes)."""
    try:
        with path.open("rb") as file:
            data = file.read(size)
    except OSError as error:
        raise UnreadableFileError(f"{path.name}: can't be opened: {error.strerror}") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in data:
        raise UnreadableFileError(f"{path.name}: is binary, not a text file of prices")
    try:
        # A cut may fall inside a character, which then is left out and is no fault of the file.
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=size < 0)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{path.name}: byte {error.start} is no {error.encoding} text; save the file as UTF-8"
        ) from error
    if not text.strip():
        raise UnreadableFileError(f"{path.name}: is empty; get the file again")
    return text


def _split(text: str, path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Split a text into header, line numbers (from 1) and rows of cells."""
    # csv.reader and not pandas: it alone tells the line that a row began on.
    reader = csv.reader(io.StringIO(text, newline=""))
    header: list[str] = []
    lines: list[int] = []
    rows: list[list[str]] = []
    begin = 1
    try:
        for row in reader:
            if any(row) and not "".join(row).isspace():
                if header:
                    rows.append(row)
                    lines.append(begin)
                else:
                    header = [cell.strip() for cell in row]
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFileError(f"{path.name}: line {reader.line_num}: {error}") from error
    return header, lines, rows


def _name_columns(header: list[str], path: Path) -> dict[str, int]:
    """Map the columns of the schema to their places in a file's header."""
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    wanted = {name: name.replace("_", "") for name in ("date", *NUMBER_COLUMNS)}
    names = {name: plain.index(short) for name, short in wanted.items() if short in plain}
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        shown = ", ".join(header[:12])[:200]
        raise NotAPriceFileError(
            f"{path.name}: has no {' and no '.join(missing)} column, so it is no file of prices; "
            f"columns found: {shown}; needed: date, close"
        )
    twice = [name for name in names if plain.count(wanted[name]) > 1]
    if twice:
        raise UnreadableFileError(
            f"{path.name}: has {plain.count(wanted[twice[0]])} columns {twice[0]}; keep one of them"
        )
    return names


def _read_cells(file: PriceFile) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one file's cells as text, in the columns of the schema, and its ragged rows."""
    header, lines, rows = _split(_decode(file.path), file.path)
    names = _name_columns(header, file.path)
    if not rows:
        raise UnreadableFileError(f"{file.path.name}: has a header and no row; get the file again")
    about = {"coin": file.coin, "file": file.path.name}
    ragged = [i for i, row in enumerate(rows) if len(row) != len(header)]
    told = empty_findings()
    if ragged:
        told = findings(
            "unreadable_row",
            pd.DataFrame({"line": [lines[i] for i in ragged]}).assign(**about),
            value=[",".join(rows[i]) for i in ragged],
            message=[f"{len(rows[i])} fields, the header has {len(header)}" for i in ragged],
        )
        bad = set(ragged)
        lines = [line for i, line in enumerate(lines) if i not in bad]
        rows = [row for i, row in enumerate(rows) if i not in bad]
    cells = {name: [row[place] for row in rows] for name, place in names.items()}
    return pd.DataFrame({**cells, "line": lines}).assign(**about), told


def _parse_rows(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn text into numbers and days; rows without a day or a close above 0 are left out."""
    days, day_reasons, serial = (
        column.to_numpy() for column in parse_days(cells["date"].fillna(""))
    )
    # All columns as one: pandas costs more for a call than for the few rows of a coin.
    stacked = pd.concat([cells[name].fillna("") for name in NUMBER_COLUMNS], ignore_index=True)
    shape = (len(NUMBER_COLUMNS), len(cells))
    values, bad = (column.to_numpy().reshape(shape) for column in parse_numbers(stacked))
    values = values.copy()
    close = NUMBER_COLUMNS.index("close")

    reason = np.where(day_reasons != "", "date: " + day_reasons.astype(object), "")
    culprit = cells["date"].to_numpy(dtype=object)
    for i, name in enumerate(NUMBER_COLUMNS):
        wrong = bad[i] | (np.isnan(values[i]) if i == close else False)
        new = (reason == "") & wrong
        if new.any():
            told = np.where(bad[i], f"{name}: no number", f"{name}: missing")
            reason = np.where(new, told, reason)
            culprit = np.where(new, cells[name], culprit)
    readable = reason == ""
    nonpositive = readable & (values[close] <= 0)
    kept = readable & ~nonpositive

    rows = cells[["coin", "file", "line"]].assign(date=days)
    found: list[pd.DataFrame] = []

    def tell(kind: str, where: NDArray[np.bool_], value: Any, message: Any) -> None:
        if where.any():
            picked = message[where] if isinstance(message, np.ndarray) else message
            found.append(findings(kind, rows[where], value=value[where], message=picked))

    tell("unreadable_row", ~readable, culprit, reason)
    tell("nonpositive_close", nonpositive, cells["close"], "close: must be above 0")
    tell("serial_date", serial & kept, cells["date"], "")
    for i, name in enumerate(NUMBER_COLUMNS):
        there = kept & cells[name].notna().to_numpy()  # a column that is not there misses nothing
        tell("missing_value", there & np.isnan(values[i]), cells[name], name)
        low = values[i] < 0 if name in AMOUNT_COLUMNS else values[i] <= 0
        tell("nonpositive_value", there & low, cells[name], name)
        values[i, low] = np.nan
    prices = rows.assign(**dict(zip(NUMBER_COLUMNS, values, strict=True)))
    return prices[kept], join_findings(found)
