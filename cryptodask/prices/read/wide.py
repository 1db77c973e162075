"""Wide tables, with a column a coin, and what looks like one and is not."""

import re
from collections import Counter
from itertools import pairwise, permutations

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.headers import (
    NEEDED,
    Columns,
    Header,
    are_numbers,
    holds_names,
    is_index,
    is_stamp,
    shorten,
)
from cryptodask.prices.read.names import coin_name
from cryptodask.prices.read.numbers import plain_number
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.vocabulary import is_known

_FEW_KNOWN = 0.1  # HIGH and ASK are coins, too, where they are among many others

_FIELD = re.compile(
    r"\b(?:open|high|low|volume|vol|marketcap|mcap|trades|bid|ask|turnover)\b", re.IGNORECASE
)

_SEPARATOR = re.compile(r"[^A-Za-z]+")


def wide_columns(header: Header, columns: Columns, options: ReadOptions) -> dict[str, int]:
    """Return the coins of a wide table and their places; none where this is another table.

    Parameters
    ----------
    header : Header
    columns : Columns
        Those that are known.
    options : ReadOptions

    Raises
    ------
    UnreadableFileError
        Two columns are of one coin, or columns are fields of a coin and not coins.
    """
    if options.layout not in (None, "wide") or "date" not in columns.places or not header.rows:
        return {}
    if set(options.columns) - {"date"} or not _may_be_wide(header, columns, options):
        return {}
    date, names = columns.places["date"], header.names
    places = [i for i in range(len(names)) if i not in (date, columns.clock)]
    places = [i for i in places if not is_index(header, i)]
    places = [i for i in places if names[i] or not header.is_blank(i)]
    if len(places) < (1 if options.layout else 2):
        return {}
    if not all(map(is_stamp, header.cells(date))):
        return {}
    if not all(are_numbers(row[i] for i in places) for row in header.rows):
        return {}
    coins = {" ".join(names[i].split()): i for i in places}
    # One without a name costs that column alone; see `cryptodask.prices.read.columns`.
    counts = Counter(name for i in places if (name := coin_name(names[i])))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UnreadableFileError(
            f"has {counts[twice[0]]} columns of one coin, {twice[0]}; keep one of them"
        )
    if options.layout is None:
        _refuse_fields(header, coins)
    return coins


def _may_be_wide(header: Header, columns: Columns, options: ReadOptions) -> bool:
    """Return whether names of a header may be those of coins, and not of fields of a coin."""
    places = columns.places
    if options.layout == "wide":
        return "close" not in places
    if "coin" in places and holds_names(places["coin"], header.rows):
        return False
    if {"close", "volume", "market_cap"} & set(places) or len(
        {"open", "high", "low"} & set(places)
    ) > 1:
        return False
    others = [key for i, key in enumerate(header.keys) if i != places["date"]]
    return sum(map(is_known, others)) <= _FEW_KNOWN * len(others)


def _refuse_fields(header: Header, coins: dict[str, int]) -> None:
    """Refuse columns that are fields of coins: by their names, or by how they lie to each other.

    Raises
    ------
    UnreadableFileError
    """
    shown = shorten(list(coins))
    fields = [name for name in coins if _FIELD.search(_SEPARATOR.sub(" ", name).strip())]
    if len(fields) > _FEW_KNOWN * len(coins):
        raise UnreadableFileError(
            f"has columns of several fields ({shown}), and a wide table has a column of closes for "
            "each coin; keep these alone, or write a row for each coin and date"
        )
    if not any(any(c.isalpha() for c in name) for name in coins):
        raise UnreadableFileError(
            f"has numbers in place of names over its columns ({shown}); write a header over them, "
            f"with {' and '.join(NEEDED)}"
        )
    if _is_bar(header, list(coins.values())):
        raise UnreadableFileError(
            f"has columns that lie to each other as open, high, low and close of one coin "
            f"({shown}); name the close with --column close=NAME, or, if they are coins, give "
            "--layout wide"
        )


def _is_bar(header: Header, places: list[int]) -> bool:
    """Return whether some columns are the open, high, low and close of bars.

    One is always the highest and another the lowest of four that are close to each other, while
    the two between them change places: four coins of nearly the same price do not do that.
    """
    if len(places) < 4 or len(places) > 12 or len(header.rows) < 3:
        return False
    values = [[plain_number(cell) for cell in header.cells(place)] for place in places]
    columns = [v for v in values if all(x is not None and x > 0 for x in v)]
    rows = list(zip(*columns, strict=True)) if columns else []
    for high, low in permutations(range(len(columns)), 2):
        if not all(row[low] <= row[high] <= 2 * row[low] for row in rows):
            continue
        between = [
            i
            for i in range(len(columns))
            if i not in (high, low) and all(row[low] <= row[i] <= row[high] for row in rows)
        ]
        for first, second in pairwise(between):
            signs = {(row[first] > row[second]) - (row[first] < row[second]) for row in rows}
            if {1, -1} <= signs:
                return True
    return False
