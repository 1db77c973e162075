"""The rows of one file: the cells of each coin, in long and in wide files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cryptodask.prices.read.file_cells import Cells
from cryptodask.prices.read.names import coin_name
from cryptodask.prices.read.price_file import PriceFile
from cryptodask.prices.read.texts import TEXT, Distinct, Texts, find_missing, join_texts
from cryptodask.prices.schema import NUMBER_COLUMNS
from cryptodask.records import FloatArray


@dataclass
class FileRows:
    """Rows of one file.

    Attributes
    ----------
    coins, dates : Distinct, ``(n_rows,)``
    columns : dict of str to pyarrow.Array, ``(n_rows,)``
        Column of numbers -> its cells, of those that the file has.
    lines : ndarray of int64, ``(n_rows,)``
    values : dict of str to ndarray of float64, ``(n_rows,)``
        The numbers of columns that are known to hold nothing else.
    further : dict of str to pyarrow.Array, ``(n_rows,)``
        Own column -> its cells, of those that the file has.
    """

    coins: Distinct
    dates: Distinct
    columns: dict[str, Texts]
    lines: NDArray[np.int64]
    values: dict[str, FloatArray]
    further: dict[str, Texts] = field(default_factory=dict)


def rows_of(
    cells: Cells, group: Sequence[PriceFile], further: Mapping[str, int] = MappingProxyType({})
) -> FileRows:
    """Return the rows of some coins of a file.

    Parameters
    ----------
    cells : Cells
        All of the file.
    group : sequence of PriceFile
        The coins of it that are wanted.
    further : mapping of str to int
        Places of own columns; a wide table has none.
    """
    return _wide(cells, group) if cells.layout.coins else _long(cells, group, further)


def _long(cells: Cells, group: Sequence[PriceFile], further: Mapping[str, int]) -> FileRows:
    """Return the rows of a file with a row a day (and coin)."""
    places = {name: i for name, i in cells.layout.columns.items() if name in NUMBER_COLUMNS}
    # A column that is empty in every row of the file is not one.
    columns = {
        name: cells.column(i)
        for name, i in places.items()
        if i in cells.numeric.plain or name == "close" or _has_text(cells.column(i))
    }
    known = cells.numeric.values
    values = {name: known[i] for name, i in places.items() if name in columns and i in known}
    dates, lines = cells.stamps, cells.full_lines()
    more = {name: cells.column(i) for name, i in further.items()}
    place = cells.layout.columns.get("coin")
    if place is None:
        coins = _of_names([group[0].coin], np.zeros_like(lines))
        return FileRows(coins, dates, columns, lines, values, more)
    names, codes = _wanted_names(cells.column(place), group)
    picked = np.flatnonzero(codes >= 0)
    columns = {name: column.take(pa.array(picked)) for name, column in columns.items()}
    values = {name: column[picked] for name, column in values.items()}
    more = {name: column.take(pa.array(picked)) for name, column in more.items()}
    coins = _of_names(names, codes[picked])
    return FileRows(coins, dates.pick(picked), columns, lines[picked], values, more)


def _wanted_names(texts: Texts, group: Sequence[PriceFile]) -> tuple[list[str], NDArray[np.int64]]:
    """Return names of coins, and for each row the number of its name; -1 if it is not wanted.

    A row that names no coin has an empty name, and is wanted where the file is reported.
    """
    wanted = {file.inside: file.coin for file in group if file.inside is not None}
    reports_file = any(file.reports_file for file in group)
    column = Distinct.of(texts)
    names: dict[str, int] = {}
    numbers = []
    for written in column.texts.to_pylist():
        name = coin_name(written)
        keeps = reports_file if not name else not wanted or name in wanted
        coin = wanted.get(name, name)
        numbers.append(names.setdefault(coin, len(names)) if keeps else -1)
    codes = np.array(numbers, dtype=np.int64)[column.codes]
    return list(names), codes


def _wide(cells: Cells, group: Sequence[PriceFile]) -> FileRows:
    """Return the rows of a table with a column a coin; blanks are no rows."""
    wanted = {file.inside: file.coin for file in group if file.inside is not None}
    names: list[str] = []
    parts: list[tuple[Texts, NDArray[np.int64]]] = []
    for written, place in cells.layout.coins.items():
        name = coin_name(written)
        if not name or (wanted and name not in wanted):
            continue
        names.append(wanted.get(name, name))
        closes = cells.column(place)
        there = np.flatnonzero(~np.asarray(find_missing(closes)))
        parts.append((closes.take(pa.array(there)), there))
    rows = np.concatenate([np.empty(0, dtype=np.int64), *(there for _, there in parts)])
    codes = np.repeat(np.arange(len(parts)), [len(there) for _, there in parts])
    closes = join_texts(column for column, _ in parts)
    coins, dates = _of_names(names, codes), cells.stamps.pick(rows)
    return FileRows(coins, dates, {"close": closes}, cells.full_lines()[rows], {})


def _has_text(column: Texts) -> bool:
    """Return whether a column has a cell that is not blank."""
    if len(column) and column[0].as_py().strip():
        return True
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(column), "")).as_py())


def _of_names(names: Sequence[str], codes: NDArray[np.int64]) -> Distinct:
    """Return names by their numbers."""
    return Distinct(pa.array(names, type=TEXT), codes.astype(np.int32))
