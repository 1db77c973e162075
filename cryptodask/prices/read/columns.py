"""The cells of many files as columns of text, with what was found in splitting them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.clean.findings import findings
from cryptodask.prices.freq import DAILY, FREQS
from cryptodask.prices.read.days import day_month_order
from cryptodask.prices.read.edges import meaning, settle_rule, survey_edges
from cryptodask.prices.read.file_cells import Cells
from cryptodask.prices.read.file_rows import FileRows, rows_of
from cryptodask.prices.read.headers import is_number, shorten
from cryptodask.prices.read.names import coin_name
from cryptodask.prices.read.numbers import NumberStyle, find_number_style, shows_point
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.own_cells import OWN, further_columns, own_places
from cryptodask.prices.read.price_file import PriceFile, check_series, freq_of
from cryptodask.prices.read.stamps import StampRule
from cryptodask.prices.read.texts import TEXT, Distinct, Texts, join_distinct, join_texts
from cryptodask.prices.schema import NUMBER_COLUMNS
from cryptodask.records import FloatArray

_SHOWN = 20  # names of columns in a message
_SHORT_NUMBER = r"^[^0-9A-Za-z]*[0-9]{1,2}[^0-9A-Za-z]"


@dataclass
class TextColumns:
    """Cells of all files as text, and findings about the files.

    Attributes
    ----------
    columns : dict of str to list of pyarrow.Array
        Column of numbers -> its cells, an array a file; null in files without that column.
    values : dict of str to list of ndarray of float64
        Column of numbers -> its numbers, an array a file; None where they are not known yet.
    coins, dates : list of Distinct
        The coin and the date of each row, a column a file.
    lines : list of ndarray of int64
        The line of each row in its file, an array a file.
    files : list of str, ``(n_files,)``
        Names.
    sizes : list of int, ``(n_files,)``
        Number of rows of each.
    stamps : list of StampRule, ``(n_files,)``
        How dates are written, and what they mean.
    noted : dict of str to list
        Kind of finding -> ``(coin, file, line, value, message)`` of each.
    further : dict of str to list of pyarrow.Array
        Own column -> its cells, an array a file; null in files without that column.
    """

    columns: dict[str, list[Texts]] = field(default_factory=lambda: {n: [] for n in NUMBER_COLUMNS})
    values: dict[str, list[FloatArray | None]] = field(
        default_factory=lambda: {n: [] for n in NUMBER_COLUMNS}
    )
    coins: list[Distinct] = field(default_factory=list)
    dates: list[Distinct] = field(default_factory=list)
    lines: list[NDArray[np.int64]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stamps: list[StampRule] = field(default_factory=list)
    noted: dict[str, list[tuple[str, str, int, str, str]]] = field(default_factory=dict)
    further: dict[str, list[Texts]] = field(default_factory=dict)

    @classmethod
    def wanted(cls, options: ReadOptions) -> "TextColumns":
        """Return no rows, with the own columns that are wanted."""
        return cls(further={name: [] for name in (*options.further, *options.facts)})

    def frame(self) -> pd.DataFrame:
        """Return all rows: numbers as text, ``line``, and ``coin, date, file`` as categories."""
        coins, dates = join_distinct(self.coins), join_distinct(self.dates)
        columns: dict[str, Any] = {
            "coin": _in_order(coins.texts.to_pylist(), coins.codes),
            "date": pd.Categorical.from_codes(dates.codes, pd.Index(dates.texts, dtype="str")),
        }
        columns |= {
            name: pd.array(join_texts(chunks), dtype="str") for name, chunks in self.columns.items()
        }
        columns |= {
            OWN + name: pd.array(join_texts(chunks), dtype="str")
            for name, chunks in self.further.items()
        }
        columns["line"] = np.concatenate([np.empty(0, dtype=np.int64), *self.lines])
        columns["file"] = _in_order(self.files, np.repeat(np.arange(len(self.files)), self.sizes))
        return pd.DataFrame(columns)

    def add(self, file: str, rows: FileRows, rule: StampRule) -> None:
        """Add the rows of one file.

        Parameters
        ----------
        file : str
            Its name.
        rows : FileRows
        rule : StampRule
            How its dates are written, and what they mean.
        """
        size = len(rows.lines)
        for name in NUMBER_COLUMNS:
            column = rows.columns.get(name)
            self.columns[name].append(pa.nulls(size, TEXT) if column is None else column)
            values = np.full(size, np.nan) if column is None else rows.values.get(name)
            self.values[name].append(values)
        for name, chunks in self.further.items():
            chunks.append(rows.further.get(name, pa.nulls(size, TEXT)))
        self.coins.append(rows.coins)
        self.dates.append(rows.dates)
        self.lines.append(rows.lines)
        self.files.append(file)
        self.sizes.append(size)
        self.stamps.append(rule)

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
    texts: TextColumns, cells: Cells, group: Sequence[PriceFile], options: ReadOptions
) -> None:
    """Add the cells of one file, and the findings about it.

    Parameters
    ----------
    texts : TextColumns
        To add to.
    cells : Cells
        All of the file.
    group : sequence of PriceFile
        The coins of it that are wanted, at least one.
    options : ReadOptions
        What the file leaves open.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
        The file can't be read; nothing was added.
    """
    layout, path = cells.layout, group[0].path
    coin = group[0].coin
    reports_file = any(file.reports_file for file in group)
    for line, row in cells.ragged() if reports_file else ():
        why = f"{len(row)} fields, the header has {layout.width}"
        texts.note("unreadable_row", coin, path.name, line, ",".join(row), why)
    _check_headers(cells, path)
    # All is decided before any coin is picked: a file is read alike in every partition.
    freq_of(path, cells, options)
    freq = options.freq or DAILY
    check_series(path, cells, freq, options)
    try:
        further = own_places(layout.header, options)
        order, why = _order_of(cells, options)
        style = _number_style(cells)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{path.name}: {error}") from None
    rule, notes = stamp_rule(cells, order, freq, options)
    rows = rows_of(cells, group, further)
    if not style.is_plain:
        rows.values.clear()
        rows.columns |= {n: _mended(column, style) for n, column in rows.columns.items()}
        rows.further |= {
            n: _mended(c, style) for n, c in rows.further.items() if n in options.further
        }
    texts.add(path.name, rows, rule)
    for name in texts.further if reports_file else ():
        if name not in further:
            others = ", ".join(map(repr, further_columns(layout)[:_SHOWN])) or "none"
            why = f"no column {name!r}; further columns of the file: {others}"
            texts.note("missing_column", coin, path.name, 0, name, why)
    if reports_file:
        for written in layout.coins:
            if not coin_name(written):
                why = "coin: a column without a name that can be shown; rename it"
                texts.note("unreadable_row", "", path.name, 0, written, why)
        means = meaning(layout.name, rule.stamp, freq)
        notes = [*cells.notes, *(["decimal commas"] if style.comma else []), *notes]
        message = "; ".join([f"{layout.name}: {means}{layout.note}", *notes])
        texts.note("layout", coin, path.name, 0, layout.name, message)
        if order:
            texts.note("day_month_order", coin, path.name, 0, why.partition(",")[0], why)


def _mended(column: Texts, style: NumberStyle) -> Texts:
    return pa.array(style.mended(column.to_pylist()), type=TEXT)


def _check_headers(cells: Cells, path: Path) -> None:
    """Refuse a file in which another header follows, as two exports in one file have.

    Raises
    ------
    UnreadableFileError
    """
    names = cells.layout.header
    for i in np.flatnonzero(cells.stamps.is_among([name for name in names if name])):
        row = [cell.strip() for cell in cells.full_rows()[i]]
        if row != list(names) and not any(cell and is_number(cell) for cell in row):
            raise UnreadableFileError(
                f"{path.name}: line {cells.full_lines()[i]}: another header ({shorten(row)}) than "
                f"that of the file ({shorten(names)}); write what is under it to a separate file"
            )


def _order_of(cells: Cells, options: ReadOptions) -> tuple[int, str]:
    """Return the order of day and month, and how it was decided."""
    if cells.layout.epoch:
        return 0, ""
    # A number at the begin, and no year: what needs a look at every day.
    if 2 * np.count_nonzero(cells.stamps.match(_SHORT_NUMBER)) < len(cells.stamps):
        return 0, ""
    return day_month_order(cells.stamps.to_list(), options.day_first)


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
    if not rule.epoch and not cells.stamps.contain(":").any():
        return rule, []  # days without a time
    stamps = cells.stamps.to_list()
    edges = survey_edges(stamps, rule, step, options.tolerance_for(step))
    return settle_rule(rule, edges, step, freq, options, is_named=layout.is_named)


def _number_style(cells: Cells) -> NumberStyle:
    """Return how the numbers of a file are written."""
    layout = cells.layout
    places = list(layout.coins.values()) or [
        place for name, place in layout.columns.items() if name in NUMBER_COLUMNS
    ]
    numeric = cells.numeric
    odd_or_grouped = [i for i in places if i not in numeric.plain]
    plain = [cells.column(i) for i in places if i in numeric.plain]
    if numeric.grouped.keys() >= set(odd_or_grouped) and (
        len(plain) == len(places) or any(map(shows_point, plain))
    ):
        return NumberStyle()  # so that a comma is none
    percents = [i for i, cell in enumerate(cells.first_row()) if cell.strip().endswith("%")]
    # Where a comma divides cells, one inside of a number is mostly of thousands; else it is proved.
    needs_proof = cells.delimiter not in ("", ",") or not all(
        name.isascii() for name in layout.header
    )

    def find(these: Sequence[int], plain: Sequence[Texts]) -> NumberStyle:
        return find_number_style(
            (cells.column(i).to_pylist() for i in these),
            (cells.column(i).to_pylist() for i in percents),
            needs_proof=needs_proof,
            plain=(column.to_pylist() for column in plain),
        )

    try:
        return find(odd_or_grouped, plain)
    except UnreadableFileError:
        return find(places, [])  # refuses it, too, by the first cells of the file


def _in_order(names: Sequence[str], codes: NDArray[np.signedinteger]) -> pd.Categorical:
    """Return names by their numbers as categories, which are in the order of names."""
    ordered, places = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    return pd.Categorical.from_codes(places[codes], pd.Index(ordered, dtype="str"))
