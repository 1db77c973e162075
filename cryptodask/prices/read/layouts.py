"""The layout of a price file, decided from its first rows and never from its name.

============  ===========================================  =====================================
layout        taken where                                  stored ``date``
============  ===========================================  =====================================
``listing``   a date and any of open, high, low            the day as written
``long``      the same with a column that names the coin   the day as written
``finance``   a listing with ``Adj Close``, or whose       the day as written: midnight in the
              stamps have a time zone offset, or with a    offset's zone names the session
              header of three rows (Price, Ticker, Date)
``klines``    open, high, low and close with the open      the UTC day in which the bar closes, a
              time as seconds, milli-, micro- or nano-     day after it opens: a bar that opens
              seconds since 1970, or ``Open time``; with   D 00:00 is D, one that opens D 16:00
              a header or without                          is D+1
``prices``    a date and a close or price, no open, high   a day without a time is that day; a
              or low                                       stamp with a time is an instant, and
                                                           D 00:00 is the close of D-1
``wide``      a date, then a column a coin                 as in ``prices``
============  ===========================================  =====================================

So an instant belongs to the day that ends at it or in which it lies: the close that carries a
date was known when that day was over, and not before. A column of naive Parquet timestamps that
are all at midnight holds days without a time.

Bars of an hour or four, which are known by the time between their stamps, go by the same rules
with the bar in place of the day, and ``date`` is the moment in UTC at which the bar opens; a day
as written then is that moment, whatever zone it is written in.

A line or a few over the header (a banner) are passed over. Volume is in the quote currency: of
klines the quote volume is read, and where they have only one in coins, none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.read.headers import (
    ALIASES,
    NEEDED,
    NOT_COIN_COLUMNS,
    OHL,
    OPEN_STAMPS,
    QUOTE_VOLUME,
    are_numbers,
    first_cells,
    holds_names,
    is_stamp,
    place_of,
    places_given,
    refuse_columns,
    shorten,
    wide_columns,
)
from cryptodask.prices.read.numbers import MISSING
from cryptodask.prices.read.options import LAYOUTS, ReadOptions
from cryptodask.prices.read.stamps import is_epoch

HEAD = 25
"""The number of first rows that decide."""

_BANNER = 5  # rows over the header at most

_OFFSET = re.compile(r"[T ][0-9:.]+ ?[+-][0-9]{2}:?[0-9]{2}$")

_TIMED = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}")


@dataclass(frozen=True)
class Layout:
    """Where a file has what, and what its stamps mean.

    Attributes
    ----------
    name : str
        One of `LAYOUTS`.
    columns : mapping of str to int
        Column of the schema -> its place in a row.
    width : int
        Cells of a row.
    first : int
        Rows over the first one of prices: banner and header.
    stamp : str
        ``day`` (as written), ``open`` (of a bar) or ``instant``.
    epoch : bool
        Whether stamps are numbers counted from 1970.
    offset : bool
        Whether stamps have a time zone offset.
    coins : mapping of str to int
        Of a wide table, the coins and their places.
    note : str
        What else is to be said.
    """

    name: str
    columns: Mapping[str, int]
    width: int
    first: int
    stamp: str
    epoch: bool = False
    offset: bool = False
    coins: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def message(self) -> str:
        """The layout, and what its date means."""
        return f"{self.name}: {LAYOUTS[self.name]}{self.note}"


def find_layout(rows: Sequence[Sequence[str]], options: ReadOptions) -> Layout:
    """Return the layout of a file, from its first rows with banner and header.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows that are not blank.
    options : ReadOptions
        What the file leaves open.

    Raises
    ------
    NotAPriceFileError
        They are not those of prices. (Errors name no file, which is not known here.)
    UnreadableFileError
        They are, and which column is which can't be decided.
    """
    rows = rows[: HEAD + _BANNER]
    if options.layout in (None, "klines") and rows and _is_numeric(rows[0]):
        return _without_header(rows[:HEAD])
    if [row[0].strip().lower() for row in rows[:3] if row] == ["price", "ticker", "date"]:
        return _of_three_headers(rows, options)
    failed: list[tuple[int, NotAPriceFileError]] = []
    for i, header in enumerate(rows[: _BANNER + 1]):
        try:
            return layout_of(header, rows[i + 1 : i + 1 + HEAD], options, banner=i)
        except NotAPriceFileError as error:
            failed.append((-len(header), error))
    # The row with the most cells is the likeliest header; a banner has one.
    raise min(failed, key=lambda pair: pair[0])[1]


def _of_three_headers(rows: Sequence[Sequence[str]], options: ReadOptions) -> Layout:
    """Return the layout of a finance download whose header has rows of prices and of tickers."""
    tickers = set(rows[1][1:])
    if len(tickers) != 1:
        raise UnreadableFileError(
            f"has columns of {len(tickers)} tickers under each other; write one file a ticker"
        )
    table = layout_of(["Date", *rows[0][1:]], rows[3 : 3 + HEAD], options, banner=2)
    name = options.layout or "finance"
    return replace(table, name=name, stamp="day" if name == "finance" else table.stamp, note="")


def layout_of(
    header: Sequence[str], rows: Sequence[Sequence[str]], options: ReadOptions, banner: int = 0
) -> Layout:
    """Return the layout of a table with a header; see `find_layout`.

    Parameters
    ----------
    header : sequence of str, ``(width,)``
    rows : sequence of sequences of str
        The first rows under it; those of another width are passed over.
    options : ReadOptions
    banner : int
        Rows over the header.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
        As of `find_layout`.
    """
    header = [cell.strip() for cell in header]
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    rows = [row for row in rows if len(row) == len(header)]
    given = places_given(header, options)
    columns = _columns_of(plain, rows, given)
    wide = wide_columns(header, plain, columns, rows, options)
    if wide:
        columns = {"date": columns["date"]}
    _check_columns(header, columns, given, options, is_wide=bool(wide))
    stamps = [row[columns["date"]].strip() for row in rows]
    stamps = [stamp for stamp in stamps if stamp.lower() not in MISSING]
    epoch = bool(stamps) and all(map(is_epoch, stamps))
    offset = any(map(_OFFSET.search, stamps))
    opens = epoch or plain[columns["date"]] in OPEN_STAMPS
    name = options.layout or _name(columns, plain, bool(wide), opens, offset)
    if name == "klines" and "volume" not in given:
        columns.pop("volume", None)
        columns |= next(({"volume": plain.index(v)} for v in QUOTE_VOLUME if v in plain), {})
    return Layout(
        name=name,
        columns=columns,
        width=len(header),
        first=banner + 1,
        stamp={"klines": "open", "prices": "instant", "wide": "instant"}.get(name, "day"),
        epoch=epoch,
        offset=offset,
        coins=wide,
        note=f"; {banner} banner lines over the header" if banner else "",
    )


def _columns_of(
    plain: Sequence[str], rows: Sequence[Sequence[str]], given: dict[str, int]
) -> dict[str, int]:
    """Return the columns of the schema that a header has, and their places."""
    places = {name: place_of(name, plain) for name in ALIASES} | dict(given)
    columns = {name: place for name, place in places.items() if place is not None}
    if "coin" in columns and "coin" not in given and not holds_names(columns["coin"], rows):
        del columns["coin"]
        if (symbol := place_of("coin", [p if p != "name" else "" for p in plain])) is not None:
            columns |= {"coin": symbol} if holds_names(symbol, rows) else {}
    has_index = bool(rows) and plain[0] in NOT_COIN_COLUMNS
    if "date" not in columns and has_index and all(map(is_stamp, first_cells(rows))):
        columns["date"] = 0  # a table that was written with its days as an index without a name
    return columns


def _check_columns(
    header: Sequence[str],
    columns: Mapping[str, int],
    given: Mapping[str, int],
    options: ReadOptions,
    *,
    is_wide: bool,
) -> None:
    """Refuse a header that lacks a column that is needed or that options name."""
    if options.layout == "wide" and not is_wide:
        raise NotAPriceFileError(
            "is not a wide table, which has a date and then a column of numbers for each coin; "
            f"columns found: {shorten(header)}"
        )
    needed = () if is_wide else (*NEEDED, *(["coin"] if options.layout == "long" else []))
    missing = [name for name in needed if name not in columns]
    lost = {name: wanted for name, wanted in options.columns.items() if name not in given}
    if missing or lost:
        refuse_columns(header, missing, lost)


def _name(
    names: Mapping[str, int], plain: Sequence[str], wide: bool, opens: bool, offset: bool
) -> str:
    if wide:
        return "wide"
    if not any(name in names for name in OHL):
        return "prices"
    if opens:
        return "klines"
    if "coin" in names:
        return "long"
    return "finance" if offset or "adjclose" in plain else "listing"


def _is_numeric(row: Sequence[str]) -> bool:
    """Return whether a first row is one of klines and not a header."""
    return len(row) >= 6 and is_epoch(row[0].strip()) and are_numbers(row[1:6])


def _without_header(rows: Sequence[Sequence[str]]) -> Layout:
    """Return the layout of klines without a header, from the values themselves."""
    width = len(rows[0])
    rows = [row for row in rows if len(row) == width and are_numbers(row[1:5])]
    for order in (("open", "high", "low", "close"), ("low", "high", "open", "close")):
        places = {name: i for i, name in enumerate(order, start=1)}
        if all(_is_candle(row, places) for row in rows):
            break
    else:
        raise UnreadableFileError(
            "has no header, and columns 2 to 5 are neither open, high, low, close nor low, high, "
            "open, close; write a header over them"
        )
    # Volume in coins stands at 5; of the usual 12 columns the one at 7 is that in quote currency.
    more = {"volume": 7} if width >= 11 else {}
    return Layout("klines", {"date": 0, **places, **more}, width, 0, "open", epoch=True,
                  note="; no header")  # fmt: skip


def _is_candle(row: Sequence[str], places: Mapping[str, int]) -> bool:
    try:
        value = {name: float(row[i].replace(",", "")) for name, i in places.items()}
    except ValueError:
        return True  # a blank cell speaks for no order
    body = value["open"], value["close"]
    return value["low"] <= min(body) and max(body) <= value["high"]
