"""The columns of a price file, by the names in its header and by what lies under them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.clocks import COMPACT, is_clock
from cryptodask.prices.read.numbers import MISSING, plain_number
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.stamps import is_epoch
from cryptodask.prices.read.vocabulary import (
    ALIASES,
    CLOCKS,
    NOT_COIN_COLUMNS,
    TICKERS,
    WEAK_COINS,
    places_in,
)
from cryptodask.prices.schema import AMOUNT_COLUMNS
from cryptodask.text import printable

NEEDED = ("date", "close")
"""Columns without which a file is not one of prices."""

OHL = ("open", "high", "low")

_NUMBER = re.compile(r"[$+-]?[0-9.][0-9.,]*(?:[eE][+-]?[0-9]+)?")

_DAY = re.compile(
    r"(?:[0-9]{4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:[0-9]{2}){1,2}"
    r"|[0-9]{1,2}[- ][A-Za-z]{3,9}\.?[- ,]+(?:[0-9]{2}){1,2}"
    r"|[A-Za-z]{3,9}\.? [0-9]{1,2},? (?:[0-9]{2}){1,2}|[0-9]{8})(?:[T ].*)?"
    rf"|{COMPACT}"
)

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Header:
    """A header and the rows under it.

    Attributes
    ----------
    names : sequence of str, ``(width,)``
        As written.
    keys : tuple of str, ``(width,)``
        As of `cryptodask.prices.read.vocabulary.header_keys`.
    rows : sequence of sequences of str, ``(n_rows, width)``
        The first rows under it, or all.
    has_all : bool
        Whether these are all rows of the file.
    """

    names: Sequence[str]
    keys: tuple[str, ...]
    rows: Rows
    has_all: bool
    _cells: dict[int, list[str]] = field(default_factory=dict, init=False, repr=False)

    def cells(self, place: int) -> list[str]:
        """Return the cells of a column ``(n_rows,)``, without spaces around them."""
        if place not in self._cells:
            self._cells[place] = [row[place].strip() for row in self.rows]
        return self._cells[place]

    def is_blank(self, place: int) -> bool:
        """Return whether a column is empty in every row that is there."""
        return bool(self.rows) and not any(self.cells(place))


@dataclass
class Columns:
    """Which column of a file is which.

    Attributes
    ----------
    places : dict of str to int
        Column of the schema -> its place in a row.
    clock : int, optional
        Place of a column with the time of day.
    is_doubtful : bool
        Whether rows that were not looked at may show another column to be meant.
    """

    places: dict[str, int]
    clock: int | None = None
    is_doubtful: bool = False


def find_columns(header: Header, given: Mapping[str, int]) -> Columns:
    """Return which column is which: those that options name, then those of known names.

    Parameters
    ----------
    header : Header
    given : mapping of str to int
        Places of columns that options name.

    Raises
    ------
    UnreadableFileError
        Several columns have a right to be one. It names no file.
    """
    columns = Columns(dict(given))
    for name in ALIASES:
        if name not in given and name != "coin":
            _add_column(columns, header, name)
    if "coin" not in given:
        _add_coin(columns, header)
    has_index = bool(header.rows) and is_index(header, 0)
    if "date" not in columns.places and has_index and all(map(is_stamp, header.cells(0))):
        # A table that was written with its days as an index without a name.
        columns.places["date"] = 0
    _find_clock(columns, header)
    return columns


def is_index(header: Header, place: int) -> bool:
    """Return whether a column has no name, or that of row numbers; a number is a name."""
    return header.keys[place] in NOT_COIN_COLUMNS and bool(
        header.keys[place] or not header.names[place]
    )


def _add_column(columns: Columns, header: Header, name: str) -> None:
    """Add the column of a name that the header has; empty ones count only if all of it are."""
    blank: int | None = None
    for group in ALIASES[name]:
        hits = places_in(header.keys, group)
        full = [place for place in hits if not header.is_blank(place)]
        if len(full) > 1 or (len(full) < len(hits) and name not in AMOUNT_COLUMNS):
            columns.is_doubtful |= not header.has_all
        if full:
            columns.places[name] = _only_one(name, full, header)
            return
        blank = hits[0] if hits and blank is None else blank
    if blank is not None and (name in NEEDED or not header.has_all):
        columns.places[name] = blank  # where nothing else is one, each row is reported to lack it


def _only_one(name: str, places: Sequence[int], header: Header) -> int:
    """Return the first of some columns of one meaning, if they are equal in every row."""
    first = header.cells(places[0])
    if len(places) == 1 or (first and all(header.cells(place) == first for place in places[1:])):
        return places[0]
    names = [shorten([header.names[place]]) for place in places]
    other = (
        "rename the others" if len(set(names)) == 1 else f"name it with --column {name}={names[0]}"
    )
    raise UnreadableFileError(
        f"has {len(places)} columns {name} ({', '.join(names)}); keep one of them, or {other}"
    )


def _add_coin(columns: Columns, header: Header) -> None:
    """Add the first column that names coins by a name of it that is sure."""
    for group in ALIASES["coin"]:
        for place in places_in(header.keys, group):
            taken = place in columns.places.values()
            if header.is_blank(place) or taken or set(header.cells(place)) == {"ok"}:
                columns.is_doubtful |= not header.has_all
            elif holds_names(place, header.rows) or header.keys[place] in TICKERS:
                columns.places["coin"] = place
                return
            else:
                columns.is_doubtful |= not header.has_all


def weak_coins(header: Header, columns: Columns) -> list[int]:
    """Return the places of columns that name coins if rows of a date differ in them.

    Parameters
    ----------
    header : Header
    columns : Columns
        Those that are known.
    """
    taken = set(columns.places.values())
    return [
        place
        for group in WEAK_COINS
        for place in places_in(header.keys, group)
        if place not in taken and not header.is_blank(place)
    ]


def _find_clock(columns: Columns, header: Header) -> None:
    """Find the column with the time of day, beside one whose cells have none."""
    date = columns.places.get("date")
    if date is None or not header.rows:
        return
    days = [cell for cell in header.cells(date) if cell]
    if not days or any(":" in cell or is_epoch(cell) for cell in days):
        return
    for place in places_in(header.keys, CLOCKS):
        cells = [cell for cell in header.cells(place) if cell]
        if place not in columns.places.values() and cells and all(map(is_clock, cells)):
            columns.clock = place
            return


def places_given(header: Header, options: ReadOptions) -> dict[str, int]:
    """Return the places of the columns that options name and the header has.

    Parameters
    ----------
    header : Header
    options : ReadOptions

    Returns
    -------
    dict of str to int
        Column of the schema -> its place in a row; of several of the name, the first that is not
        empty.
    """
    folded = [name.casefold() for name in header.names]
    places = {}
    for name, wanted in options.columns.items():
        hits = [i for i, text in enumerate(folded) if text == wanted.strip().casefold()]
        if full := [place for place in hits if not header.is_blank(place)] or hits:
            places[name] = _only_one(name, full, header)
    return places


def holds_names(place: int, rows: Rows) -> bool:
    """Return whether a column holds names; one of numbers only is some id.

    Parameters
    ----------
    place : int
        Of the column.
    rows : sequence of sequences of str, ``(n_rows, width)``
        Rows under the header.
    """
    return not rows or not all(_NUMBER.fullmatch(row[place].strip()) for row in rows)


def is_stamp(cell: str) -> bool:
    """Return whether a cell looks like a day or a count from 1970."""
    return bool(_DAY.fullmatch(cell.strip())) or is_epoch(cell.strip())


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, or says that one is missing."""
    text = cell.strip()
    return text.lower() in MISSING or _NUMBER.fullmatch(text) is not None


def are_numbers(cells: Iterable[str]) -> bool:
    """Return whether all cells are numbers or missing."""
    return all(map(is_number, cells))


@lru_cache(maxsize=256)  # the headers of a folder
def is_data(row: tuple[str, ...]) -> bool:
    """Return whether a row is one of prices: a day or moment, and a number beside it.

    Parameters
    ----------
    row : tuple of str
    """
    stamps = [place for place, cell in enumerate(row) if is_stamp(cell)]
    numbers = [
        place
        for place, cell in enumerate(row)
        if plain_number(cell) is not None
        and place not in stamps[:1]
        and (place not in stamps or cell.strip().isdigit())
    ]
    return bool(stamps and numbers)


def shorten(header: Sequence[str]) -> str:
    """Return the names of a header as an error shows them."""
    return printable(", ".join(header[:12])[:200], one_line=True)
