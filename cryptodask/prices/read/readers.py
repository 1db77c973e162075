"""Files of prices to rows and findings, many files at a time.

Nothing here knows of folders, tables or Dask. The text of all files of a partition is split one
file at a time and then parsed as one long frame, which costs a tenth of doing it file by file.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.clean.cleaning import clean_rows
from cryptodask.prices.clean.findings import file_finding, findings, join_findings
from cryptodask.prices.freq import DAILY, FREQS, name_step
from cryptodask.prices.read.cells import Cells, read_cells
from cryptodask.prices.read.layouts import DEFAULT, HEAD, ReadOptions
from cryptodask.prices.read.parse import (
    MISSING,
    bar_seconds,
    day_month_order,
    has_comma_decimals,
    is_timed,
    parse_numbers,
    parse_stamps,
    with_points,
    without_suffix,
)
from cryptodask.prices.schema import AMOUNT_COLUMNS, NUMBER_COLUMNS, as_price_dtypes
from cryptodask.records import DAY

_FEW = 4  # stamps

_TEXTS = ("coin", "date", *NUMBER_COLUMNS)


@dataclass(frozen=True, slots=True)
class PriceFile:
    """A file and a coin whose prices it holds.

    Attributes
    ----------
    coin : str
        The coin's name; of a file that names its coins itself, only where ``inside`` is given.
    path : Path
    inside : str, optional
        The coin's name in a file that holds many, of which then only this one is read.
    tells : bool
        Whether what is found of the file as a whole, and not of one coin, is told.
    """

    coin: str
    path: Path
    inside: str | None = None
    tells: bool = True


@dataclass(frozen=True)
class Reading:
    """What files gave.

    Attributes
    ----------
    prices : DataFrame
        Clean rows in the columns of `cryptodask.prices.schema`, by coin and date.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame


@dataclass
class _Texts:
    """Cells of all files as text, in the columns of the schema, and what was found of files."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: {n: [] for n in _TEXTS})
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stamps: list[tuple[str, bool, bool, int]] = field(default_factory=list)
    told: dict[str, list[tuple[str, str, int, str, str]]] = field(default_factory=dict)

    def tell(self, kind: str, coin: str, file: str, line: int, value: str, message: str) -> None:
        """Note one finding; all of a kind become a table at once, which costs far less."""
        self.told.setdefault(kind, []).append((coin, file, line, value, message))

    def findings(self) -> list[pd.DataFrame]:
        """Return what was noted."""
        tables = []
        for kind, rows in self.told.items():
            names = ["coin", "file", "line", "value", "message"]
            table = pd.DataFrame(rows, columns=names)
            tables.append(findings(kind, table, value=table["value"], message=table["message"]))
        return tables


@dataclass(frozen=True)
class Look:
    """What a look at a file's first bytes tells.

    Attributes
    ----------
    coins : mapping of str to int, optional
        Of a file that names its coins, which is read whole for that, the rows of each.
    freq : str, optional
        Of its bars, where it has more than one.
    """

    coins: Mapping[str, int] | None
    freq: str | None


def check_price_file(path: Path, options: ReadOptions = DEFAULT) -> Look:
    """Look at a file's first bytes, and refuse what is no file of prices with at least one row.

    Raises
    ------
    NotAPriceFileError
        It is a table without a date or a close.
    UnreadableFileError
        It is empty, binary, has no row or two columns of one name, can't be opened, or its bars
        are of a length that no table has.
    """
    cells = read_cells(path, options, whole=False)
    layout = cells.layout
    if layout.coins or "coin" in layout.columns:
        cells = read_cells(path, options)
        return Look(_count_coins(path, cells), _freq_of(path, cells, options))
    return Look(None, _freq_of(path, cells, options))


def _count_coins(path: Path, cells: Cells) -> dict[str, int]:
    """Count the rows of each coin of a file that names them."""
    layout = cells.layout
    if layout.coins:
        return dict.fromkeys(map(plain_name, layout.coins), len(cells.rows))
    place = layout.columns["coin"]
    names = Counter(row[place] for row in cells.rows if len(row) == layout.width)
    counted: Counter[str] = Counter()
    for name, rows in names.items():
        if is_name(name):
            counted[plain_name(name)] += rows
    if not counted:
        raise UnreadableFileError(f"{path.name}: its column of coins names none")
    return dict(counted)


def _freq_of(path: Path, cells: Cells, options: ReadOptions) -> str | None:
    """Return how long a file's bars last; None where its stamps do not tell.

    Raises
    ------
    UnreadableFileError
        No table has such bars, or not the one that these are for.
    """
    layout = cells.layout
    place = layout.columns["date"]
    stamps = [row[place] for row in cells.rows if len(row) == layout.width]
    if layout.epoch or any(map(is_timed, stamps[:HEAD])):
        step = bar_seconds(stamps, epoch=layout.epoch)
        if np.isnan(step):
            return None
    else:
        step = FREQS[DAILY]
    freq = name_step(step)
    if options.freq and step < FREQS[DAILY] and len(set(stamps)) < _FEW:
        # Too few to tell bars from gaps between them: they are what they are said to be.
        freq = options.freq if step % FREQS[options.freq] == 0 else freq
    if freq is None:
        raise UnreadableFileError(
            f"{path.name}: date: bars of {step:,.0f} seconds; get bars of {', '.join(FREQS)}"
        )
    if options.freq not in (None, freq):
        raise UnreadableFileError(
            f"{path.name}: date: bars of {freq}, and those of {options.freq} are wanted; bring "
            "them to a table of their own"
        )
    return freq


def read_price_files(files: Sequence[PriceFile], options: ReadOptions = DEFAULT) -> Reading:
    """Read files in any layout of `cryptodask.prices.read.layouts`, which is found from the content.

    Columns are found by their names, in any order; only date and close are needed. What can't be
    read becomes a finding with its file, line and reason, and everything else is kept. A file of
    many coins is read once for all of them that are asked for. Bars are daily where the options
    do not say otherwise.

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    freq = options.freq or DAILY
    options = replace(options, freq=freq)
    found: list[pd.DataFrame] = []
    texts = _Texts()
    groups: dict[Path, list[PriceFile]] = {}
    for file in files:
        groups.setdefault(file.path, []).append(file)
    for path, group in groups.items():
        try:
            _add_file(texts, path, group, options)
        except PriceFileError as error:
            found += [
                file_finding(kind_of(error), file.coin, path.name, reason_of(error))
                for file in group
            ]
    cells = pd.DataFrame({name: pd.Series(texts.columns[name], dtype="str") for name in _TEXTS})
    cells["line"] = np.asarray(texts.lines, dtype=np.int64)
    cells["file"] = pd.Series(
        np.repeat(np.asarray(texts.files, dtype=object), texts.sizes), dtype="str"
    )
    rows, row_findings = _parse_rows(cells, texts, FREQS[freq])
    read = join_findings([*found, *texts.findings(), row_findings])  # texts tells more by now
    prices, told = clean_rows(rows, read, options.policies, freq)
    return Reading(as_price_dtypes(prices).reset_index(drop=True), told)


@cache
def plain_name(name: str) -> str:
    """Return a coin's name as it is told: composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


@cache
def is_name(name: str) -> bool:
    """Tell whether a cell names a coin and can be shown."""
    plain = plain_name(name)
    return plain.isprintable() and plain.lower() not in MISSING


def kind_of(error: PriceFileError) -> str:
    """Return the kind of finding that an error about a whole file is."""
    is_other = isinstance(error, NotAPriceFileError)
    return "not_a_price_file" if is_other else "unreadable_file"


def reason_of(error: PriceFileError) -> str:
    """Return the message without the file's name, which a finding has in a column of its own."""
    return str(error).partition(": ")[2]


def _add_file(texts: _Texts, path: Path, group: Sequence[PriceFile], options: ReadOptions) -> None:
    """Split one file, and add its cells and what was found of it as a whole."""
    cells = read_cells(path, options)
    layout = cells.layout
    coin = group[0].coin
    tells = any(file.tells for file in group)
    ragged = [i for i, row in enumerate(cells.rows) if len(row) != layout.width]
    if ragged:
        for i in ragged if tells else ():
            row, line = cells.rows[i], cells.lines[i]
            why = f"{len(row)} fields, the header has {layout.width}"
            texts.tell("unreadable_row", coin, path.name, line, ",".join(row), why)
        bad = set(ragged)
        cells.lines = [line for i, line in enumerate(cells.lines) if i not in bad]
        cells.rows = [row for i, row in enumerate(cells.rows) if i not in bad]
    # Both are decided before any coin is picked: a file is read alike in every partition.
    order, why = 0, ""
    place = layout.columns["date"]
    _freq_of(path, cells, options)
    try:
        if not layout.epoch:
            order, why = day_month_order((row[place] for row in cells.rows), options.day_first)
        _mend_numbers(cells)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{path.name}: {error}") from None
    columns, lines = _wide(cells, group) if layout.coins else _long(cells, group)
    for name in _TEXTS:
        texts.columns[name] += columns.get(name) or [None] * len(lines)
    texts.lines += lines
    texts.files.append(path.name)
    texts.sizes.append(len(lines))
    texts.stamps.append((layout.stamp, layout.epoch, layout.offset, order))
    if tells:
        message = "; ".join([layout.message, *cells.notes])
        texts.tell("layout", coin, path.name, 0, layout.name, message)
        if order:
            texts.tell("day_month_order", coin, path.name, 0, why.partition(",")[0], why)


def _mend_numbers(cells: Cells) -> None:
    """Write decimal commas as points, and numbers with a suffix without it."""
    layout = cells.layout
    places = list(layout.coins.values()) or [
        place for name, place in layout.columns.items() if name in NUMBER_COLUMNS
    ]
    volume = layout.columns.get("volume")
    if volume is not None and cells.rows and cells.rows[0][volume].strip()[-1:] in set("KMBT"):
        for row in cells.rows:
            row[volume] = without_suffix(row[volume])
    if cells.delimiter in ("", ","):
        return
    if has_comma_decimals(row[i] for row in cells.rows for i in places):
        for row in cells.rows:
            for i in places:
                row[i] = with_points(row[i])
        cells.notes.append("decimal commas")


def _long(cells: Cells, group: Sequence[PriceFile]) -> tuple[dict[str, list[Any]], list[int]]:
    """Return the columns, and the lines, of a file with a row a day (and coin)."""
    rows, lines = cells.rows, cells.lines
    places = dict(cells.layout.columns)
    place = places.pop("coin", None)
    if place is None:
        coins = [group[0].coin] * len(rows)
    else:
        wanted = {file.inside: file.coin for file in group if file.inside is not None}
        coins, picked = [], []
        for i, row in enumerate(rows):
            name = row[place]
            if not is_name(name):
                # Of no coin: told once, by the reading that tells of the file.
                if any(file.tells for file in group):
                    coins.append("")
                    picked.append(i)
                continue
            name = plain_name(name)
            if not wanted or name in wanted:
                coins.append(wanted.get(name, name))
                picked.append(i)
        rows, lines = [rows[i] for i in picked], [lines[i] for i in picked]
    columns = {name: [row[i] for row in rows] for name, i in places.items()}
    return {"coin": coins, **columns}, lines


def _wide(cells: Cells, group: Sequence[PriceFile]) -> tuple[dict[str, list[Any]], list[int]]:
    """Return the columns, and the lines, of a table with a column a coin; blanks are no rows."""
    wanted = {file.inside: file.coin for file in group if file.inside is not None}
    columns: dict[str, list[Any]] = {"coin": [], "date": [], "close": []}
    lines: list[int] = []
    date = cells.layout.columns["date"]
    for written, place in cells.layout.coins.items():
        name = plain_name(written)
        if wanted and name not in wanted:
            continue
        there = [i for i, row in enumerate(cells.rows) if row[place].strip().lower() not in MISSING]
        columns["coin"] += [wanted.get(name, name)] * len(there)
        columns["date"] += [cells.rows[i][date] for i in there]
        columns["close"] += [cells.rows[i][place] for i in there]
        lines += [cells.lines[i] for i in there]
    return columns, lines


def _parse_dates(
    cells: pd.DataFrame, texts: _Texts, step: int
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
    cells: pd.DataFrame, days: NDArray[np.datetime64], texts: _Texts
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


def _parse_rows(cells: pd.DataFrame, texts: _Texts, step: int) -> tuple[pd.DataFrame, pd.DataFrame]:
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
