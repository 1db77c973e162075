"""How a file of prices is laid out, decided from its first rows and never from its name.

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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptodask.errors import NotAPriceFileError, OptionError, UnreadableFileError
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.freq import check_freq
from cryptodask.prices.read.parse import MISSING, is_epoch
from cryptodask.prices.schema import COLUMNS, NUMBER_COLUMNS

LAYOUTS: Mapping[str, str] = {
    "listing": "the day as written",
    "long": "a column names the coin; the day as written",
    "finance": "the day as written, whatever its time zone",
    "klines": "stamped at the open; the UTC day (or shorter bar) in which the bar closes",
    "prices": "a day without a time is that day; an instant at 00:00 closes the day before",
    "wide": "a column a coin; a day without a time is that day, an instant at 00:00 closes the "
    "day before",
}
"""Name of a layout -> what its date means."""

HEAD = 25
"""So many of the first rows decide."""

_BANNER = 5  # rows over the header at most
_NEEDED = ("date", "close")
_OHL = ("open", "high", "low")

# Names of a header, letters only and in lower case; those that come first win.
_ALIASES: Mapping[str, tuple[str, ...]] = {
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
_QUOTE_VOLUME = (
    "quotevolume", "quoteassetvolume", "volumequote", "turnover", "volumeusd", "volumeusdt",
    "volumeusdc", "volumebusd",
)  # fmt: skip
_OPEN_STAMPS = ("timeopen", "opentime", "opentimeutc", "openutc")
_NO_COINS = {"", "unnamed", "index", "indexlevel"}  # columns of a row number, not of a coin

_OFFSET = re.compile(r"[T ][0-9:.]+ ?[+-][0-9]{2}:?[0-9]{2}$")
_TIMED = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}")
_NUMBER = re.compile(r"[$+-]?[0-9.][0-9.,]*(?:[eE][+-]?[0-9]+)?")
_DAY = re.compile(
    r"(?:[0-9]{4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{4}"
    r"|[0-9]{1,2}[- ][A-Za-z]{3,9}\.?[- ,]+[0-9]{4}|[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"
    r"|[0-9]{8})(?:[T ].*)?"
)


@dataclass(frozen=True)
class ReadOptions:
    """What a user knows of files that the files do not tell.

    Attributes
    ----------
    day_first : bool, optional
        How to read days such as ``09/10/2017`` in a file that does not decide it: the day first
        (True) or the month (False).
    columns : mapping of str to str
        Column of the schema (or ``coin``) -> the name it has in the header. It wins over what
        the header's names would tell; a file without that name is refused.
    layout : str, optional
        Read every file in this one of `LAYOUTS`.
    freq : str, optional
        How long a bar lasts: 1h, 4h or 1d. Files of another frequency are left out and told. By
        default that of the files, which then must all have one.
    policies : mapping of str to str
        What to do about each kind of finding; see `cryptodask.prices.clean.policies`.

    Raises
    ------
    OptionError
        A column, layout, frequency or policy that is not known.
    """

    day_first: bool | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    layout: str | None = None
    freq: str | None = None
    policies: Policies = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(self.columns))
        object.__setattr__(self, "policies", check_policies(self.policies))
        if self.freq is not None:
            check_freq(self.freq)
        for name in self.columns:
            if name not in COLUMNS:
                raise OptionError(f"columns: no column {name!r}; known: {', '.join(COLUMNS)}")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise OptionError(f"layout: no layout {self.layout!r}; known: {', '.join(LAYOUTS)}")


DEFAULT = ReadOptions()
"""Nothing that the files do not tell themselves."""


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
    """Decide the layout of a file from its first rows, a banner and a header among them.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows that are not blank.

    Raises
    ------
    NotAPriceFileError
        They are not those of prices. (This and what follows name no file, which is not known.)
    UnreadableFileError
        They are, and can't be told apart.
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
    """Decide the layout of a finance download whose header has rows of prices and of tickers."""
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
    """Decide the layout of a table from its header and its first rows; see `find_layout`."""
    header = [cell.strip() for cell in header]
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    rows = [row for row in rows if len(row) == len(header)]
    given = _given(header, options)
    places = {name: _place(name, plain) for name in _ALIASES} | given
    names = {name: place for name, place in places.items() if place is not None}
    if "coin" in names and "coin" not in given and not _is_named(names["coin"], rows):
        del names["coin"]
        if (symbol := _place("coin", [p if p != "name" else "" for p in plain])) is not None:
            names |= {"coin": symbol} if _is_named(symbol, rows) else {}
    if "date" not in names and rows and plain[0] in _NO_COINS and all(map(_is_stamp, _first(rows))):
        names["date"] = 0  # a table that was written with its days as an index without a name
    wide = _wide_columns(header, plain, names, rows, options)
    if wide:
        names = {"date": names["date"]}
    needed = () if wide else (*_NEEDED, *(["coin"] if options.layout == "long" else []))
    missing = [name for name in needed if name not in names]
    if options.layout == "wide" and not wide:
        raise NotAPriceFileError(
            "is no wide table, which has a date and then a column of numbers for each coin; "
            f"columns found: {_shown(header)}"
        )
    lost = [name for name in options.columns if name not in given]
    if missing or lost:
        _refuse(header, missing, {name: options.columns[name] for name in lost})
    stamps = [row[names["date"]].strip() for row in rows]
    stamps = [stamp for stamp in stamps if stamp.lower() not in MISSING]
    epoch = bool(stamps) and all(map(is_epoch, stamps))
    offset = any(map(_OFFSET.search, stamps))
    opens = epoch or plain[names["date"]] in _OPEN_STAMPS
    name = options.layout or _name(names, plain, bool(wide), opens, offset)
    if name == "klines" and "volume" not in given:
        names.pop("volume", None)
        names |= next(({"volume": plain.index(v)} for v in _QUOTE_VOLUME if v in plain), {})
    return Layout(
        name=name,
        columns=names,
        width=len(header),
        first=banner + 1,
        stamp={"klines": "open", "prices": "instant", "wide": "instant"}.get(name, "day"),
        epoch=epoch,
        offset=offset,
        coins=wide,
        note=f"; {banner} banner lines over the header" if banner else "",
    )


def _given(header: Sequence[str], options: ReadOptions) -> dict[str, int]:
    """Return the places of the columns that options name and the header has."""
    exact = {name: options.columns[name].strip() for name in options.columns}
    folded = [name.casefold() for name in header]
    return {
        name: folded.index(wanted.casefold())
        for name, wanted in exact.items()
        if wanted.casefold() in folded
    }


def _place(name: str, plain: Sequence[str]) -> int | None:
    for alias in _ALIASES[name]:
        count = plain.count(alias)
        if count > 1 and name != "coin":
            raise UnreadableFileError(f"has {count} columns {name}; keep one of them")
        if count:
            return plain.index(alias)
    return None


def _is_named(place: int, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a column holds names; one of numbers only is an id of who knows what."""
    return not rows or not all(_NUMBER.fullmatch(row[place].strip()) for row in rows)


def _name(
    names: Mapping[str, int], plain: Sequence[str], wide: bool, opens: bool, offset: bool
) -> str:
    if wide:
        return "wide"
    if not any(name in names for name in _OHL):
        return "prices"
    if opens:
        return "klines"
    if "coin" in names:
        return "long"
    return "finance" if offset or "adjclose" in plain else "listing"


def _wide_columns(
    header: Sequence[str],
    plain: Sequence[str],
    names: Mapping[str, int],
    rows: Sequence[Sequence[str]],
    options: ReadOptions,
) -> dict[str, int]:
    """Return the coins of a wide table; none where this is no wide table."""
    if options.layout not in (None, "wide") or (set(names) & set(NUMBER_COLUMNS)):
        return {}
    if "date" not in names:
        return {}
    date = names["date"]
    places = [i for i in range(len(header)) if i != date and plain[i] not in _NO_COINS]
    places += [i for i in range(len(header)) if i != date and header[i] and not plain[i]]
    if len(places) < (1 if options.layout else 2) or not rows:
        return {}
    if not all(_is_stamp(row[date]) and _are_numbers(row[i] for i in places) for row in rows):
        return {}
    coins = {" ".join(header[i].split()): i for i in sorted(places)}
    if len(coins) < len(places):
        raise UnreadableFileError("has two columns of one coin; keep one of them")
    return coins


def _first(rows: Sequence[Sequence[str]]) -> list[str]:
    return [row[0] for row in rows]


def _is_stamp(cell: str) -> bool:
    return bool(_DAY.fullmatch(cell.strip())) or is_epoch(cell.strip())


def _are_numbers(cells: Iterable[str]) -> bool:
    return all(cell.lower() in MISSING or _NUMBER.fullmatch(cell) for cell in map(str.strip, cells))


def _shown(header: Sequence[str]) -> str:
    return ", ".join(header[:12])[:200]


def _refuse(header: Sequence[str], missing: Sequence[str], lost: Mapping[str, str]) -> None:
    shown = _shown(header)
    if missing:
        raise NotAPriceFileError(
            f"has no {' and no '.join(missing)} column, so it is no file of prices; "
            f"columns found: {shown}; needed: date, close"
        )
    name, wanted = next(iter(lost.items()))
    raise UnreadableFileError(
        f"has no column {wanted!r}, which was named for {name}; columns found: {shown}"
    )


def _is_numeric(row: Sequence[str]) -> bool:
    """Tell whether a first row is one of klines rather than a header."""
    return len(row) >= 6 and is_epoch(row[0].strip()) and _are_numbers(row[1:6])


def _without_header(rows: Sequence[Sequence[str]]) -> Layout:
    """Decide what the columns of klines without a header are, from the values themselves."""
    width = len(rows[0])
    rows = [row for row in rows if len(row) == width and _are_numbers(row[1:5])]
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
