"""The columns of a price file, by the names in its header."""

import re
from collections.abc import Iterable, Mapping, Sequence

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.read.numbers import MISSING
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.stamps import is_epoch
from cryptodask.prices.schema import NUMBER_COLUMNS

NEEDED = ("date", "close")
"""Columns without which a file is not one of prices."""

OHL = ("open", "high", "low")

ALIASES: Mapping[str, tuple[str, ...]] = {
    "date": (
        "date", "dateutc", "day", "datetime", "snappedat", "timeopen", "opentime", "opentimeutc",
        "openutc", "timestamp", "time", "unix", "unixtime", "unixtimestamp", "start",
    ),
    "coin": (
        "coin", "name", "coinname", "cryptocurrency", "crypto", "symbol", "ticker", "pair",
        "slug", "asset", "token",
    ),
    "open": ("open", "openprice", "priceopen"),
    "high": ("high", "highprice", "pricehigh"),
    "low": ("low", "lowprice", "pricelow"),
    "close": ("close", "closeprice", "priceclose", "price", "closelast", "priceusd", "adjclose"),
    "volume": (
        "volume", "totalvolume", "volumeusd", "volumeusdt", "volumeusdc", "totalvolumes", "vol",
    ),
    "market_cap": ("marketcap", "marketcapusd", "marketcapitalization", "marketcaps"),
}  # fmt: skip
"""Column -> names of it, letters only and in lower case; those that come first win."""

QUOTE_VOLUME = (
    "quotevolume", "quoteassetvolume", "volumequote", "turnover", "volumeusd", "volumeusdt",
    "volumeusdc", "volumebusd",
)  # fmt: skip

"""Names of the volume in the quote currency."""

OPEN_STAMPS = ("timeopen", "opentime", "opentimeutc", "openutc")

"""Names of dates that are the open of a bar."""

NOT_COIN_COLUMNS = {"", "unnamed", "index", "indexlevel"}
"""Names of a column of row numbers."""

_NUMBER = re.compile(r"[$+-]?[0-9.][0-9.,]*(?:[eE][+-]?[0-9]+)?")

_DAY = re.compile(
    r"(?:[0-9]{4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{4}"
    r"|[0-9]{1,2}[- ][A-Za-z]{3,9}\.?[- ,]+[0-9]{4}|[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"
    r"|[0-9]{8})(?:[T ].*)?"
)


def places_given(header: Sequence[str], options: ReadOptions) -> dict[str, int]:
    """Return the places of the columns that options name and the header has.

    Parameters
    ----------
    header : sequence of str, ``(width,)``
    options : ReadOptions

    Returns
    -------
    dict of str to int
        Column of the schema -> its place in a row.
    """
    exact = {name: options.columns[name].strip() for name in options.columns}
    folded = [name.casefold() for name in header]
    return {
        name: folded.index(wanted.casefold())
        for name, wanted in exact.items()
        if wanted.casefold() in folded
    }


def place_of(name: str, plain: Sequence[str]) -> int | None:
    """Return the place of a column that the header names in a way of `ALIASES`, if it does.

    Parameters
    ----------
    name : str
        Column of the schema.
    plain : sequence of str, ``(width,)``
        Names of the header, letters only and in lower case.

    Raises
    ------
    UnreadableFileError
        The header has that name twice.
    """
    for alias in ALIASES[name]:
        count = plain.count(alias)
        if count > 1 and name != "coin":
            raise UnreadableFileError(f"has {count} columns {name}; keep one of them")
        if count:
            return plain.index(alias)
    return None


def holds_names(place: int, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a column holds names; one of numbers only is some id.

    Parameters
    ----------
    place : int
        Of the column.
    rows : sequence of sequences of str, ``(n_rows, width)``
        First rows under the header.
    """
    return not rows or not all(_NUMBER.fullmatch(row[place].strip()) for row in rows)


def wide_columns(
    header: Sequence[str],
    plain: Sequence[str],
    names: Mapping[str, int],
    rows: Sequence[Sequence[str]],
    options: ReadOptions,
) -> dict[str, int]:
    """Return the coins of a wide table and their places; none where this is another table.

    Parameters
    ----------
    header, plain : sequence of str, ``(width,)``
        Names as written, and letters only in lower case.
    names : mapping of str to int
        Columns of the schema that the header has, and their places.
    rows : sequence of sequences of str, ``(n_rows, width)``
        First rows under the header.
    options : ReadOptions

    Raises
    ------
    UnreadableFileError
        Two columns are of one coin.
    """
    if options.layout not in (None, "wide") or (set(names) & set(NUMBER_COLUMNS)):
        return {}
    if "date" not in names:
        return {}
    date = names["date"]
    places = [i for i in range(len(header)) if i != date and plain[i] not in NOT_COIN_COLUMNS]
    places += [i for i in range(len(header)) if i != date and header[i] and not plain[i]]
    if len(places) < (1 if options.layout else 2) or not rows:
        return {}
    if not all(is_stamp(row[date]) and are_numbers(row[i] for i in places) for row in rows):
        return {}
    coins = {" ".join(header[i].split()): i for i in sorted(places)}
    if len(coins) < len(places):
        raise UnreadableFileError("has two columns of one coin; keep one of them")
    return coins


def first_cells(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the first cell of each row."""
    return [row[0] for row in rows]


def is_stamp(cell: str) -> bool:
    """Return whether a cell looks like a day or a count from 1970."""
    return bool(_DAY.fullmatch(cell.strip())) or is_epoch(cell.strip())


def are_numbers(cells: Iterable[str]) -> bool:
    """Return whether all cells are numbers or missing."""
    return all(cell.lower() in MISSING or _NUMBER.fullmatch(cell) for cell in map(str.strip, cells))


def shorten(header: Sequence[str]) -> str:
    """Return the names of a header as an error shows them."""
    return ", ".join(header[:12])[:200]


def refuse_columns(header: Sequence[str], missing: Sequence[str], lost: Mapping[str, str]) -> None:
    """Raise about a column that a header lacks.

    Parameters
    ----------
    header : sequence of str
    missing : sequence of str
        Columns without which a file is not one of prices.
    lost : mapping of str to str
        Column of the schema -> the name for it that options have and the header lacks.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
    """
    shown = shorten(header)
    if missing:
        raise NotAPriceFileError(
            f"has no {' and no '.join(missing)} column, so it is not a file of prices; "
            f"columns found: {shown}; needed: date, close"
        )
    name, wanted = next(iter(lost.items()))
    raise UnreadableFileError(
        f"has no column {wanted!r}, which was named for {name}; columns found: {shown}"
    )
