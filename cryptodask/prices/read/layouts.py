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

That is what stamps mean by default. A stamp near the edge of a bar is on it, where most of a file
are; options say whether stamps are opens or closes; and those that all lie just before an edge are
closes (`cryptodask.prices.read.edges`).

A line or a few over the header (a banner) are passed over. Volume is in the quote currency: of
klines the quote volume is read, and where they have only one in coins, none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.read.candles import order_of
from cryptodask.prices.read.clocks import check_stamps, is_clock, joined_stamp, plain_stamp
from cryptodask.prices.read.headers import (
    NEEDED,
    OHL,
    Columns,
    Header,
    are_numbers,
    find_columns,
    is_data,
    places_given,
    shorten,
    weak_coins,
)
from cryptodask.prices.read.numbers import MISSING
from cryptodask.prices.read.options import LAYOUT_STAMPS, ReadOptions
from cryptodask.prices.read.refusals import check_close, refuse_columns
from cryptodask.prices.read.series import find_repeats, tells_apart
from cryptodask.prices.read.stamps import OFFSET, bar_seconds, is_epoch
from cryptodask.prices.read.vocabulary import (
    CLOSE_STAMPS,
    OPEN_STAMPS,
    QUOTE_VOLUME,
    header_keys,
)
from cryptodask.prices.read.wide import wide_columns

HEAD = 25
"""The number of first rows that decide, where they show enough."""

_BANNER = 8  # rows over the header at most


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
    clock : int, optional
        Place of the time of day, where it is in another column than the day.
    is_named : bool
        Whether the name of the date says that it is the open or the close of a bar.
    is_doubtful : bool
        Whether more rows than the first ones are needed to decide which column is which.
    header : tuple of str
        The names of the columns; none where the file has no header.
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
    clock: int | None = None
    is_named: bool = False
    is_doubtful: bool = False
    header: tuple[str, ...] = ()


def find_layout(
    rows: Sequence[Sequence[str]], options: ReadOptions, *, has_all: bool = False
) -> Layout:
    """Return the layout of a file, from its first rows with banner and header.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows that are not blank.
    options : ReadOptions
        What the file leaves open.
    has_all : bool
        Whether these are all rows of the file, and all are looked at.

    Raises
    ------
    NotAPriceFileError
        They are not those of prices. (Errors name no file, which is not known here.)
    UnreadableFileError
        They are, and which column is which can't be decided.
    """
    head = len(rows) if has_all else HEAD
    if options.layout in (None, "klines") and rows and _is_numeric(rows[0]):
        return _without_header(rows[:HEAD])
    if [row[0].strip().lower() for row in rows[:3] if row] == ["price", "ticker", "date"]:
        return _of_three_headers(rows, options)
    failed: list[tuple[int, NotAPriceFileError]] = []
    for i, header in enumerate(rows[: _BANNER + 1]):
        if is_data(tuple(header)):
            break  # what is under it is prices, and not a header
        try:
            return layout_of(header, rows[i + 1 : i + 1 + head], options, banner=i, has_all=has_all)
        except NotAPriceFileError as error:
            failed.append((-len(header), error))
    if not failed:
        return _without_header_by_day(rows[:HEAD])
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
    return replace(table, name=name, stamp=LAYOUT_STAMPS[name], note="")


def layout_of(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    options: ReadOptions,
    banner: int = 0,
    *,
    has_all: bool = False,
) -> Layout:
    """Return the layout of a table with a header; see `find_layout`.

    Parameters
    ----------
    header : sequence of str, ``(width,)``
    rows : sequence of sequences of str
        Rows under it; those of another width are passed over.
    options : ReadOptions
    banner : int
        Rows over the header.
    has_all : bool
        Whether these are all rows of the file.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
        As of `find_layout`.
    """
    names = tuple(cell.strip() for cell in header)
    table = Header(names, header_keys(names), [r for r in rows if len(r) == len(names)], has_all)
    given = places_given(table, options)
    columns = find_columns(table, given)
    wide = wide_columns(table, columns, options)
    if wide:
        columns.places = {"date": columns.places["date"]}
    _check_columns(table, columns, given, options, is_wide=bool(wide))
    check_close(table, columns)
    if not wide and "coin" not in columns.places:
        _add_weak_coin(table, columns)
    key = table.keys[columns.places["date"]]
    stamps = [stamp for stamp in _stamps_of(table, columns) if stamp.strip().lower() not in MISSING]
    epoch = bool(stamps) and all(is_epoch(stamp.strip()) for stamp in stamps)
    offset = any(OFFSET.search(stamp.strip()) for stamp in stamps)
    name = options.layout or _name(columns.places, table.keys, wide, epoch, offset)
    if name == "klines" and "volume" not in given:
        columns.places.pop("volume", None)
        quote = [table.keys.index(volume) for volume in QUOTE_VOLUME if volume in table.keys]
        columns.places |= {"volume": quote[0]} if quote else {}
    usual = LAYOUT_STAMPS[name]
    is_close = key in CLOSE_STAMPS and bool(set(OHL) & set(columns.places))
    return Layout(
        name=name,
        columns=columns.places,
        width=len(header),
        first=banner + 1,
        stamp="instant" if is_close else usual,
        epoch=epoch,
        offset=offset,
        coins=wide,
        note=f"; {banner} banner lines over the header" if banner else "",
        clock=columns.clock,
        is_named=is_close or (key in OPEN_STAMPS and usual == "open"),
        is_doubtful=columns.is_doubtful,
        header=names,
    )


def _stamps_of(table: Header, columns: Columns) -> list[str]:
    """Return the stamps of a table, with the time of day where it is in another column."""
    date = [plain_stamp(row[columns.places["date"]]) for row in table.rows]
    check_stamps(date)
    if columns.clock is None:
        return date
    return list(map(joined_stamp, date, table.cells(columns.clock)))


def _add_weak_coin(table: Header, columns: Columns) -> None:
    """Add a column that may name coins, where its rows are of several under the same dates."""
    places = weak_coins(table, columns)
    if not places or not table.rows:
        return
    if not table.has_all:
        columns.is_doubtful = True
        return
    stamps = _stamps_of(table, columns)
    step = bar_seconds(stamps, epoch=is_epoch(stamps[0].strip()))
    repeats = find_repeats(stamps, table.cells(columns.places["close"]), None, step)
    if repeats.are_plain:
        apart = [place for place in places if tells_apart(repeats, table.cells(place))]
        columns.places |= {"coin": apart[0]} if apart else {}


def _check_columns(
    table: Header,
    columns: Columns,
    given: Mapping[str, int],
    options: ReadOptions,
    *,
    is_wide: bool,
) -> None:
    """Refuse a header that lacks a column that is needed or that options name."""
    if options.layout == "wide" and not is_wide:
        raise NotAPriceFileError(
            "is not a wide table, which has a date and then a column of numbers for each coin; "
            f"columns found: {shorten(table.names)}"
        )
    needed = () if is_wide else (*NEEDED, *(["coin"] if options.layout == "long" else []))
    missing = [name for name in needed if name not in columns.places]
    lost = {name: wanted for name, wanted in options.columns.items() if name not in given}
    if missing or lost:
        refuse_columns(table, columns, missing, lost)


def _name(
    places: Mapping[str, int],
    keys: Sequence[str],
    wide: Mapping[str, int],
    epoch: bool,
    offset: bool,
) -> str:
    if wide:
        return "wide"
    if not any(name in places for name in OHL):
        return "prices"
    if epoch or keys[places["date"]] in OPEN_STAMPS:
        return "klines"
    if "coin" in places:
        return "long"
    return "finance" if offset or "adjclose" in keys else "listing"


def _is_numeric(row: Sequence[str]) -> bool:
    """Return whether a first row is one of klines and not a header."""
    return len(row) >= 5 and is_epoch(row[0].strip()) and are_numbers(row[1:5])


def _without_header(rows: Sequence[Sequence[str]]) -> Layout:
    """Return the layout of klines without a header, from the values themselves."""
    width = len(rows[0])
    places = order_of(rows, 1)
    # Volume in coins stands at 5; of the usual 12 columns the one at 7 is that in quote currency.
    more = {"volume": 7} if width >= 11 else {}
    return Layout("klines", {"date": 0, **places, **more}, width, 0, "open", epoch=True,
                  note="; no header")  # fmt: skip


def _without_header_by_day(rows: Sequence[Sequence[str]]) -> Layout:
    """Return the layout of bars without a header whose first column is a day, as written."""
    row = rows[0]
    clock = 1 if len(row) > 5 and all(is_clock(r[1]) for r in rows if len(r) == len(row)) else None
    first = 1 if clock is None else 2
    if len(row) < first + 4 or not are_numbers(row[first : first + 4]):
        raise UnreadableFileError(
            f"has no header, and its first row is already prices ({shorten(row)}); write a header "
            f"over it, with {' and '.join(NEEDED)} at least"
        )
    places = order_of(rows, first)
    more = {"volume": first + 4} if len(row) > first + 4 else {}
    stamps = [plain_stamp(row[0]) for row in rows if row]
    check_stamps(stamps)
    offset = any(OFFSET.search(stamp.strip()) for stamp in stamps)
    return Layout("listing", {"date": 0, **places, **more}, len(row), 0, "day", offset=offset,
                  note="; no header", clock=clock)  # fmt: skip
