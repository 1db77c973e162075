"""Symbols of coins, where a file has a column of them beside the one of names."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cryptodask.errors import PriceFileError
from cryptodask.prices.read.cells import read_cells
from cryptodask.prices.read.names import is_name, plain_name
from cryptodask.prices.read.options import ReadOptions

HEADERS = ("symbol", "ticker")
"""Names of a column of symbols, in any case."""

Pairs = set[tuple[str, str]]


def symbols_in(path: Path, options: ReadOptions) -> Pairs:
    """Return the symbols and names that a file has beside each other.

    Parameters
    ----------
    path : Path
        Of a file that names its coins.
    options : ReadOptions
        What the file leaves open.

    Returns
    -------
    set of (symbol, name)
    """
    for header in HEADERS:
        other = replace(options, columns={**options.columns, "coin": header})
        try:
            read_cells(path, other, all_rows=False)
            by_symbol, by_name = read_cells(path, other), read_cells(path, options)
        except PriceFileError:
            continue  # it has no such column
        places = [cells.layout.columns.get("coin") for cells in (by_symbol, by_name)]
        symbol, name = places
        if symbol is None or name is None or symbol == name:
            continue
        cells = {(row[symbol], row[name]) for row in by_name.full_rows()}
        return {(plain_name(s), plain_name(n)) for s, n in cells if is_name(s) and is_name(n)}
    return set()


def sure_symbols(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the name of each symbol that has only one, and is the only one of it.

    Parameters
    ----------
    pairs : iterable of (symbol, name)
    """
    of_symbol: dict[str, set[str]] = {}
    of_name: dict[str, set[str]] = {}
    for symbol, name in pairs:
        of_symbol.setdefault(symbol, set()).add(name)
        of_name.setdefault(name, set()).add(symbol)
    return {
        symbol: name
        for symbol, names in sorted(of_symbol.items())
        for name in names
        if len(names) == 1 and len(of_name[name]) == 1
    }
