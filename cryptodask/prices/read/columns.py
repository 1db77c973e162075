"""The cells of many files as columns of text, with what was found in splitting them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.clean.findings import findings
from cryptodask.prices.read.cells import Cells, read_cells
from cryptodask.prices.read.days import day_month_order
from cryptodask.prices.read.names import is_name, plain_name
from cryptodask.prices.read.numbers import MISSING, has_comma_decimals, with_points, without_suffix
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.price_file import PriceFile, freq_of
from cryptodask.prices.schema import NUMBER_COLUMNS

TEXT_COLUMNS = ("coin", "date", *NUMBER_COLUMNS)


@dataclass
class TextColumns:
    """Cells of all files as text, and findings about the files.

    Attributes
    ----------
    columns : dict of str to list
        Column of the schema -> its cells ``(n_rows,)``; None in files without that column.
    lines : list of int, ``(n_rows,)``
        The line of each row in its file.
    files : list of str, ``(n_files,)``
        Names.
    sizes : list of int, ``(n_files,)``
        Number of rows of each.
    stamps : list of (stamp, epoch, offset, order), ``(n_files,)``
        How dates are written; see `parse_stamps`.
    noted : dict of str to list
        Kind of finding -> ``(coin, file, line, value, message)`` of each.
    """

    columns: dict[str, list[Any]] = field(default_factory=lambda: {n: [] for n in TEXT_COLUMNS})
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stamps: list[tuple[str, bool, bool, int]] = field(default_factory=list)
    noted: dict[str, list[tuple[str, str, int, str, str]]] = field(default_factory=dict)

    def note(self, kind: str, coin: str, file: str, line: int, value: str, message: str) -> None:
        """Note one finding; all of a kind become a table at once, which costs far less.

        Parameters
        ----------
        kind, coin, file, line, value, message
            Cells of the finding.
        """
        self.noted.setdefault(kind, []).append((coin, file, line, value, message))

    def findings(self) -> list[pd.DataFrame]:
        """Return the findings that were noted, a table a kind."""
        tables = []
        for kind, rows in self.noted.items():
            names = ["coin", "file", "line", "value", "message"]
            table = pd.DataFrame(rows, columns=names)
            tables.append(findings(kind, table, value=table["value"], message=table["message"]))
        return tables


def add_file(
    texts: TextColumns, path: Path, group: Sequence[PriceFile], options: ReadOptions
) -> None:
    """Add the cells of one file, and the findings about it.

    Parameters
    ----------
    texts : TextColumns
        To add to.
    path : Path
        Of the file.
    group : sequence of PriceFile
        The coins of it that are wanted, at least one.
    options : ReadOptions
        What the file leaves open.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
        The file can't be read; nothing was added.
    """
    cells = read_cells(path, options)
    layout = cells.layout
    coin = group[0].coin
    reports_file = any(file.reports_file for file in group)
    ragged = [i for i, row in enumerate(cells.rows) if len(row) != layout.width]
    if ragged:
        for i in ragged if reports_file else ():
            row, line = cells.rows[i], cells.lines[i]
            why = f"{len(row)} fields, the header has {layout.width}"
            texts.note("unreadable_row", coin, path.name, line, ",".join(row), why)
        bad = set(ragged)
        cells.lines = [line for i, line in enumerate(cells.lines) if i not in bad]
        cells.rows = [row for i, row in enumerate(cells.rows) if i not in bad]
    # Both are decided before any coin is picked: a file is read alike in every partition.
    order, why = 0, ""
    place = layout.columns["date"]
    freq_of(path, cells, options)
    try:
        if not layout.epoch:
            order, why = day_month_order((row[place] for row in cells.rows), options.day_first)
        _mend_numbers(cells)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{path.name}: {error}") from None
    columns, lines = _wide(cells, group) if layout.coins else _long(cells, group)
    for name in TEXT_COLUMNS:
        texts.columns[name] += columns.get(name) or [None] * len(lines)
    texts.lines += lines
    texts.files.append(path.name)
    texts.sizes.append(len(lines))
    texts.stamps.append((layout.stamp, layout.epoch, layout.offset, order))
    if reports_file:
        message = "; ".join([layout.message, *cells.notes])
        texts.note("layout", coin, path.name, 0, layout.name, message)
        if order:
            texts.note("day_month_order", coin, path.name, 0, why.partition(",")[0], why)


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
                # Of no coin: reported once, by the partition that reports the file.
                if any(file.reports_file for file in group):
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
