"""The cells of many files as columns of text, with what was found in splitting them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.clean.findings import findings
from cryptodask.prices.freq import DAILY, FREQS
from cryptodask.prices.read.cells import Cells, read_cells
from cryptodask.prices.read.days import day_month_order
from cryptodask.prices.read.edges import meaning, settle_rule, survey_edges
from cryptodask.prices.read.headers import NEEDED
from cryptodask.prices.read.names import is_name, plain_name
from cryptodask.prices.read.numbers import MISSING, NumberStyle, find_number_style
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.price_file import PriceFile, check_series, freq_of
from cryptodask.prices.read.stamps import StampRule
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
    stamps : list of StampRule, ``(n_files,)``
        How dates are written, and what they mean.
    noted : dict of str to list
        Kind of finding -> ``(coin, file, line, value, message)`` of each.
    """

    columns: dict[str, list[Any]] = field(default_factory=lambda: {n: [] for n in TEXT_COLUMNS})
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stamps: list[StampRule] = field(default_factory=list)
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
    # All is decided before any coin is picked: a file is read alike in every partition.
    freq_of(path, cells, options)
    freq = options.freq or DAILY
    check_series(path, cells, freq, options)
    try:
        order, why = _order_of(cells, options)
        style = _number_style(cells)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{path.name}: {error}") from None
    rule, notes = stamp_rule(cells, order, freq, options)
    columns, lines = _wide(cells, group) if layout.coins else _long(cells, group)
    if not style.is_plain:
        columns |= {
            name: style.mended(column) for name, column in columns.items() if name in NUMBER_COLUMNS
        }
    for name in TEXT_COLUMNS:
        texts.columns[name] += columns.get(name) or [None] * len(lines)
    texts.lines += lines
    texts.files.append(path.name)
    texts.sizes.append(len(lines))
    texts.stamps.append(rule)
    if reports_file:
        means = meaning(layout.name, rule.stamp, freq)
        notes = [*cells.notes, *(["decimal commas"] if style.comma else []), *notes]
        message = "; ".join([f"{layout.name}: {means}{layout.note}", *notes])
        texts.note("layout", coin, path.name, 0, layout.name, message)
        if order:
            texts.note("day_month_order", coin, path.name, 0, why.partition(",")[0], why)


def _order_of(cells: Cells, options: ReadOptions) -> tuple[int, str]:
    """Return the order of day and month, and how it was decided."""
    if cells.layout.epoch:
        return 0, ""
    return day_month_order(cells.columns[cells.layout.columns["date"]], options.day_first)


def stamp_rule(
    cells: Cells, order: int, freq: str, options: ReadOptions
) -> tuple[StampRule, list[str]]:
    """Return what the stamps of a file mean, and what is to be said of it.

    Parameters
    ----------
    cells : Cells
        Of all rows.
    order : int
        Of day and month; see `StampRule`.
    freq : str
        Of the bars.
    options : ReadOptions
    """
    layout, step = cells.layout, FREQS[freq]
    rule = StampRule(layout.stamp, layout.epoch, layout.offset, order)
    stamps = cells.columns[layout.columns["date"]]
    edges = survey_edges(stamps, rule, step, options.tolerance_for(step))
    return settle_rule(rule, edges, step, freq, options, is_named=layout.is_named)


def _number_style(cells: Cells) -> NumberStyle:
    """Return how the numbers of a file are written."""
    layout = cells.layout
    places = list(layout.coins.values()) or [
        place for name, place in layout.columns.items() if name in NUMBER_COLUMNS
    ]
    first = cells.rows[0] if cells.rows else []
    percents = [i for i, cell in enumerate(first) if cell.strip().endswith("%")]
    # Where a comma divides cells, one inside of a number is mostly of thousands; else it is proved.
    needs_proof = cells.delimiter not in ("", ",") or not all(
        name.isascii() for name in layout.header
    )
    return find_number_style(
        (cells.columns[i] for i in places),
        (cells.columns[i] for i in percents),
        needs_proof=needs_proof,
    )


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
    # A column that is empty in every row of the file is not one.
    there = {
        name: i for name, i in places.items()
        if name in NEEDED or any(cell and not cell.isspace() for cell in cells.columns[i])
    }  # fmt: skip
    if place is None:
        return {"coin": coins, **{name: list(cells.columns[i]) for name, i in there.items()}}, lines
    columns = {name: [row[i] for row in rows] for name, i in there.items()}
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
