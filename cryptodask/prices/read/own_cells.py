"""Own columns of price files: numbers and facts from cells, and a finding of each that is none."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.clean.findings import findings, stack_findings
from cryptodask.prices.own import empty_own
from cryptodask.prices.read.file_cells import Cells
from cryptodask.prices.read.layouts import Layout
from cryptodask.prices.read.numbers import MISSING, parse_numbers
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.regular import as_numbers
from cryptodask.prices.read.texts import TEXT
from cryptodask.records import FloatArray

OWN = "own:"
"""What names of own columns begin with where they are beside those of the schema."""

_TRUTH = {"true": "1", "false": "0"}


def own_places(header: Sequence[str], options: ReadOptions) -> dict[str, int]:
    """Return where the own columns of a file are, of those that it has.

    Parameters
    ----------
    header : sequence of str
        The names of all columns, as the file has them.
    options : ReadOptions
        With the names that are wanted.

    Raises
    ------
    UnreadableFileError
        Two columns have the name.
    """
    places = {}
    for name in (*options.further, *options.facts):
        if header.count(name) > 1:
            raise UnreadableFileError(
                f"column {name!r}: is the name of {header.count(name)} columns; rename one of them"
            )
        if name in header:
            places[name] = header.index(name)
    return places


def further_columns(layout: Layout) -> list[str]:
    """Return the names of the columns of a file that are none of prices, in order.

    Parameters
    ----------
    layout : Layout
    """
    used = {*layout.columns.values(), *layout.coins.values(), layout.clock}
    return [name for i, name in enumerate(layout.header) if name and i not in used]


def texts_in(cells: Cells, name: str) -> tuple[str, str] | None:
    """Return the first value of a column and where it is, if the column has texts alone.

    Parameters
    ----------
    cells : Cells
        The first rows of a file.
    name : str
        Of a column that it has.

    Returns
    -------
    value, place : str
        As ``calm`` and ``Coin 0, line 2``; empty texts of a column without a value.
        None of a column in which a number is.
    """
    header, coin = cells.layout.header, cells.layout.columns.get("coin")
    texts = pd.Series(cells.column(header.index(name)).to_pylist(), dtype="str").str.strip()
    there = ~texts.str.lower().isin(list(MISSING)).to_numpy(dtype=np.bool_)
    if not there.any():
        return "", ""
    if not _numbers(texts[there].reset_index(drop=True))[1].all():
        return None
    first = int(there.argmax())
    line = f"line {cells.full_lines()[first]}"
    named = "" if coin is None else f"{cells.column(coin)[first].as_py()}, "
    return str(texts.iloc[first]), f"{named}{line}"


def read_own(
    rows: pd.DataFrame, cells: pd.DataFrame, there: NDArray[np.bool_], options: ReadOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the own columns of rows, and findings of cells that are no numbers.

    Parameters
    ----------
    rows : DataFrame, ``(n_rows,)``
        ``coin, date, file, line``.
    cells : DataFrame, ``(n_rows,)``
        Text, of each own column under `OWN` and its name.
    there : ndarray of bool, ``(n_rows,)``
        Which rows have a coin and a date.
    options : ReadOptions

    Returns
    -------
    further, findings : DataFrame
        ``coin, date, file, line`` and the columns; NaN where one is missing or no number.
    """
    if not (options.further or options.facts):
        return empty_own().assign(file="", line=0), stack_findings([])
    tables, mine = [], rows[there][["coin", "date", "file", "line"]].reset_index(drop=True)
    columns: dict[str, FloatArray | pd.Series] = {}
    for name in options.further:
        texts = cells[OWN + name][there].fillna("").str.strip().reset_index(drop=True)
        columns[name], bad = _numbers(texts)
        message = f"column {name!r}: no finite number"
        tables.append(findings("unreadable_value", mine[bad], value=texts[bad], message=message))
    for name in options.facts:
        texts = cells[OWN + name][there].fillna("").str.strip().reset_index(drop=True)
        # A number without a fraction is one text, whatever its column was made of.
        texts = texts.str.replace(r"^(-?[0-9]+)\.0$", r"\1", regex=True)
        columns[name] = texts.where(~texts.str.lower().isin(list(MISSING)))
    return mine.assign(**columns), stack_findings(tables)


def _numbers(texts: pd.Series) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the numbers of cells, and where there is something else; truth values are 1 and 0."""
    known = as_numbers(pa.array(texts, type=TEXT))
    if known is not None:
        return known, np.zeros(len(texts), dtype=np.bool_)
    low = texts.str.lower()
    values, bad = parse_numbers(texts.mask(low.isin(list(_TRUTH)), low.map(_TRUTH)))
    numbers = values.to_numpy(dtype=np.float64)
    odd = bad.to_numpy(dtype=np.bool_) | np.isinf(numbers)
    return np.where(odd, np.nan, numbers), odd
