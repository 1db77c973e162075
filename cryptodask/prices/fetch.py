"""Daily prices from an exchange, through ccxt: which coins, which pages, and what went wrong.

One coin after the other and one request at a time, at the pace that the exchange allows. What to
ask for next is decided by functions without I/O (`next_page`, `rank_bases`); `Client` alone talks.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from cryptodask.errors import ExchangeError, OptionError
from cryptodask.prices.clean import describe_series
from cryptodask.prices.exchange import DAY, Bar, Client, Page, RequestError, open_exchange
from cryptodask.prices.findings import (
    empty_findings,
    file_finding,
    findings,
    join_findings,
    lost,
)
from cryptodask.prices.schema import COLUMNS, as_price_dtypes, empty_prices

DOLLARS = ("USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "DAI")
"""Quotes that are taken for US dollars; a table holds dollars and nothing else."""

# fmt: off
NOT_COINS = frozenset({
    "USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "PAX", "DAI", "USDD", "USDE", "USD1",
    "USDS", "USDG", "GUSD", "SUSD", "PYUSD", "RLUSD", "XUSD", "BFUSD", "AEUR", "EURI", "EURT",
    "EURS", "EUR", "GBP", "AUD", "CAD", "CHF", "JPY", "TRY", "BRL", "UAH", "RUB", "NGN", "ZAR",
    "IDR", "PLN", "RON", "ARS", "MXN", "COP", "CZK",
})
# fmt: on
"""Stablecoins and currencies, which `top` leaves out: their price in dollars is no series."""

_LEVERAGED = ("UP", "DOWN", "BULL", "BEAR", "2L", "2S", "3L", "3S", "4L", "4S", "5L", "5S")
_TOP = 100
_DOWN = 3  # coins in a row that fail before the exchange is taken to be down

Day = str | date


@dataclass(frozen=True)
class Fetched:
    """What one coin gave.

    Attributes
    ----------
    coin : str
        The base currency, by ccxt's name: ``BTC``.
    prices : DataFrame
        New rows in the columns of the schema, without a hole at the end: fetching can go on with
        the day after the last. No rows where there is nothing new or nothing came.
    findings : DataFrame
        See `cryptodask.prices.findings`; ``file`` is ``exchange:symbol``.
    """

    coin: str
    prices: pd.DataFrame
    findings: pd.DataFrame


@dataclass(frozen=True)
class FetchResult:
    """What a run gave: rows by coin and date, findings, and whether nothing was left out."""

    prices: pd.DataFrame
    findings: pd.DataFrame
    complete: bool


def next_page(
    asked: Page, days: Collection[int], last: int, size: int, *, seen: bool, windowed: bool
) -> Page | None:
    """Decide what to ask for after an answer; every step goes forward, so this comes to an end.

    Parameters
    ----------
    asked : Page
        What was asked for.
    days : collection of int
        Days that came, in any order, those from before the page among them.
    last : int
        Last day that is wanted.
    size : int
        Bars that the exchange gives at once.
    seen : bool
        Whether any bar of the coin has come yet.
    windowed : bool
        Whether the exchange answers with nothing where no bar lies within ``limit`` days, and not
        with the first bars after them; then days before a coin was listed are stepped over.

    Returns
    -------
    Page or None
        None at the end, at an empty page, and at one that does not advance.
    """
    if days:
        first = max(days) + 1
    elif windowed and not seen:
        first = asked.first + asked.limit
    else:
        return None
    if first <= asked.first or first > last:
        return None
    return Page(first, min(size, last - first + 1))


def rank_bases(
    volumes: Mapping[str, float], bases: Collection[str], known: Collection[str], top: int
) -> list[str]:
    """Return the bases with the largest volume of the last 24 hours, ties by name.

    Left out are `NOT_COINS` and leveraged tokens: a name that ends with UP, DOWN, BULL, BEAR or
    2L to 5S and begins with the name (three letters or more) of another base of the exchange, so
    that BTCUP is one and JUP is none.

    Parameters
    ----------
    volumes : mapping of str to float
        Volume in the quote currency.
    bases : collection of str
        What can be chosen.
    known : collection of str
        Every base of the exchange.
    top : int
        How many.
    """

    def leveraged(base: str) -> bool:
        stems = (base.removesuffix(end) for end in _LEVERAGED if base.endswith(end))
        return any(len(stem) >= 3 and stem in known for stem in stems)

    coins = [base for base in bases if base not in NOT_COINS and not leveraged(base)]
    return sorted(coins, key=lambda base: (-volumes.get(base, 0.0), base))[:top]


def fetch_prices(
    exchange: str,
    *,
    since: Day,
    on_coin: Callable[[str, pd.DataFrame], object] | None = None,
    **options: Any,
) -> FetchResult:
    """Fetch daily prices of many coins and return them at once; see `iter_prices`.

    Parameters
    ----------
    on_coin : callable, optional
        Called with the name and the rows of each coin that gave any, as soon as it is there.
    exchange, since, **options
        As for `iter_prices`.

    Raises
    ------
    ExchangeError, OptionError, MissingExtraError
        As for `iter_prices`; what came before an `ExchangeError` was handed to ``on_coin``.
    """
    got = []
    for one in iter_prices(exchange, since=since, **options):
        got.append(one)
        if on_coin is not None and len(one.prices):
            on_coin(one.coin, one.prices)
    frames = [one.prices for one in got if len(one.prices)]
    prices = pd.concat(frames, ignore_index=True) if frames else empty_prices()
    prices = prices.sort_values(["coin", "date"], kind="stable", ignore_index=True)
    told = join_findings(one.findings for one in got)
    return FetchResult(prices, told, complete=lost(told).empty)


def iter_prices(
    exchange: str,
    *,
    since: Day,
    until: Day | None = None,
    quote: str = "USDT",
    top: int | None = None,
    symbols: Sequence[str] | None = None,
    freq: str = "1d",
    already: Mapping[str, date] | None = None,
    api_url: str | None = None,
    now: datetime | None = None,
    retries: int = 5,
    backoff: float = 1.0,
    timeout: float = 10.0,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Fetched]:
    """Fetch daily prices of many coins, and yield one coin at a time.

    Whoever keeps each coin as it comes can be stopped at any time: given the last day kept of
    each coin as ``already``, the next run goes on from there. A coin that fails is told by a
    finding ``not_fetched`` with the rows that came before, and the others go on.

    Parameters
    ----------
    exchange : str
        ccxt's name of it, such as ``binance``.
    since, until : str or date
        First and last UTC day; a day that has not ended is left out, and so `until` is at most
        yesterday, which is also the default. An exchange may keep fewer days (Kraken: 720).
    quote : str
        One of `DOLLARS`. Prices are in it, unconverted; keep one quote a table.
    top : int, optional
        So many coins of the largest 24-hour volume in the quote (see `rank_bases`). 100 where no
        symbols are given, none where they are.
    symbols : sequence of str, optional
        Coins by name, before those of ``top``: ``BTC``, ``BTC/USDT``, or the exchange's own name.
    freq : str
        ``1d``.
    already : mapping of str to date, optional
        Last day that is there for a coin; it goes on with the next one, whatever ``since`` says.
    api_url : str, optional
        Address (http or https) of a server that speaks the exchange's API, in its place.
    now : datetime, optional
        Time of the run, for tests; UTC where it has no zone.
    retries : int
        How often a request that failed for a cause that may pass is sent again.
    backoff : float
        Seconds before the first of them. Doubled for each further one, up to 60 s, less a random
        part of up to a half; at least what the exchange asks for by Retry-After.
    timeout : float
        Seconds to wait for an answer.
    sleep : callable
        Waits so many seconds between retries, for tests. (The pace of requests is ccxt's.)

    Yields
    ------
    Fetched
        For each coin chosen or asked for. ``volume`` is Binance's own quote volume; elsewhere
        ccxt tells the base volume, which times the close is an estimate. ``market_cap`` is NaN.

    Raises
    ------
    OptionError
        An argument makes no sense.
    MissingExtraError
        ccxt is not installed.
    ExchangeError
        The exchange can't be reached, three coins in a row failed, or it asks to wait for longer
        than ten minutes.
    """
    _check(freq, quote, top, symbols, retries, backoff, timeout)
    first, last = _days(since, until, now or datetime.now(UTC))
    starts = {coin: _day("already", day) + 1 for coin, day in (already or {}).items()}
    client = Client(open_exchange(exchange, timeout, api_url), retries, backoff, sleep)
    count = _TOP if top is None and symbols is None else top or 0
    return _run(client, quote.upper(), count, list(symbols or ()), first, last, starts)


def _check(
    freq: str,
    quote: str,
    top: int | None,
    symbols: Sequence[str] | None,
    retries: int,
    backoff: float,
    timeout: float,
) -> None:
    """Refuse options that make no sense; see `iter_prices`."""
    if freq != "1d":
        hint = "tables are daily for now" if freq in ("1h", "4h") else "known is 1d"
        raise OptionError(f"freq: {freq!r} can't be stored, {hint}; use freq='1d'")
    if quote.upper() not in DOLLARS:
        raise OptionError(
            f"quote: tables hold US dollars; must be one of {', '.join(DOLLARS)}, got {quote!r}"
        )
    if top is not None and top < 1:
        raise OptionError(f"top: must be at least 1, got {top}")
    if isinstance(symbols, str) or (symbols is not None and not symbols):
        raise OptionError(f"symbols: must be a list of at least one name, got {symbols!r}")
    for name, value, least in (("retries", retries, 0), ("backoff", backoff, 0)):
        if not value >= least:
            raise OptionError(f"{name}: must be at least {least}, got {value}")
    if not timeout > 0:
        raise OptionError(f"timeout: must be above 0 seconds, got {timeout}")


def _run(
    client: Client,
    quote: str,
    top: int,
    symbols: list[str],
    first: int,
    last: int,
    starts: Mapping[str, int],
) -> Iterator[Fetched]:
    """Fetch one coin after the other; stop where the exchange is down."""
    failed = 0
    try:
        for coin, market, told in _choose(client, quote, top, symbols):
            if market is None:
                yield Fetched(coin, empty_prices(), told)
                continue
            start = starts.get(coin, first)
            bars, reason, down = _fetch_bars(client, market, start, last)
            name = f"{client.api.id}:{market['symbol']}"
            prices, more = _to_prices(coin, name, bars, start if coin in starts else None)
            missed = [file_finding("not_fetched", coin, name, reason)] if reason else []
            yield Fetched(coin, prices, join_findings([told, more, *missed]))
            failed = failed + 1 if down else 0
            if failed == _DOWN:
                raise ExchangeError(
                    f"{client.api.id}: {failed} coins in a row failed, the last one {coin}: "
                    f"{reason}; what came before is good: run again later to go on from there"
                )
    finally:
        client.api.session.close()


def _choose(
    client: Client, quote: str, top: int, symbols: Sequence[str]
) -> list[tuple[str, Any, pd.DataFrame]]:
    """Return coin, market (None where there is none) and findings, first those asked by name."""
    api = client.api
    every = client.must("markets", api.load_markets)
    spot = {m["base"]: m for m in every.values() if m["spot"] and m["quote"] == quote}
    if not spot:
        raise OptionError(f"quote: {api.id} has no spot market in {quote}")
    by_own_name = {m["baseId"]: base for base, m in spot.items()}
    by_own_name |= {m["id"]: base for base, m in spot.items()}
    picked: dict[str, tuple[Any, pd.DataFrame]] = {}
    for symbol in symbols:
        base, _, other = symbol.partition("/")
        if other.upper() not in ("", quote):
            raise OptionError(f"symbols: {symbol!r} is not in {quote}, the quote of this run")
        names = (base, base.upper())
        found = [n for n in names if n in spot] + [
            by_own_name[n] for n in names if n in by_own_name
        ]
        coin = found[0] if found else base
        market = spot.get(coin)
        if market is not None and market["active"] is not False:
            picked[coin] = (market, _renamed(coin, market, api))
        else:
            why = "is listed and not traded any more" if market else f"not listed in {quote}"
            told = file_finding("delisted", coin, f"{api.id}:{symbol}", why)
            picked[coin] = (None, told)
    if top:
        if not api.has["fetchTickers"]:
            raise OptionError(f"top: {api.id} tells no volumes; name the coins by symbols")
        active = {base for base, m in spot.items() if m["active"] is not False}
        tickers = client.must("volumes", api.fetch_tickers)
        volumes = {base: _volume(tickers.get(spot[base]["symbol"])) for base in active}
        for base in rank_bases(volumes, active, {m["base"] for m in every.values()}, top):
            picked.setdefault(base, (spot[base], _renamed(base, spot[base], api)))
    return [(coin, market, told) for coin, (market, told) in picked.items()]


def _renamed(coin: str, market: Any, api: Any) -> pd.DataFrame:
    """Tell that the exchange has another name for a coin than ccxt, and so the table."""
    own = market["baseId"]
    if own == coin or api.commonCurrencies.get(own) != coin:
        return empty_findings()
    message = f"the exchange calls it {own}"
    return file_finding("renamed", coin, f"{api.id}:{market['symbol']}", message)


def _volume(ticker: Any) -> float:
    """Return the volume of the last 24 hours in the quote currency, 0 where it is not told."""
    told = ticker or {}
    volume = told.get("quoteVolume")
    if volume is None:
        volume = (told.get("baseVolume") or 0) * (told.get("last") or 0)
    return float(volume)


def _fetch_bars(
    client: Client, market: Any, first: int, last: int
) -> tuple[dict[int, list[Bar]], str, bool]:
    """Return the bars of each day, why days are missing at the end, and whether the request failed.

    A day is there more than once where pages overlap.
    """
    bars: dict[int, list[Bar]] = {}
    size = client.page_size
    page = Page(first, min(size, last - first + 1)) if first <= last else None
    while page is not None:
        try:
            rows = client.bars(market, page)
        except RequestError as error:
            reason = f"{_iso(page.first)} to {_iso(last)}: {error}; run again to fetch them"
            return bars, reason, error.may_pass
        for row in rows:
            if first <= row[0] <= last:
                bars.setdefault(row[0], []).append(row)
        days = [row[0] for row in rows]
        page = next_page(page, days, last, size, seen=bool(bars), windowed=not client.raw)
    reached = max(bars, default=first - 1)
    if reached < last:
        span = f"{_iso(reached + 1)} to {_iso(last)}"
        return bars, f"{span}: the exchange has no such days, or gave no more of them", False
    return bars, "", False


def _to_prices(
    coin: str, name: str, bars: Mapping[int, Sequence[Bar]], start: int | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn bars into clean rows and findings; ``start`` is the day that had to come first."""
    if not bars:
        return empty_prices(), empty_findings()
    table = [bars[day][0] for day in sorted(bars)]
    frame = pd.DataFrame(table, columns=["day", "open", "high", "low", "close", "volume"])
    frame["date"] = pd.to_datetime(frame.pop("day"), unit="D")
    frame = frame.assign(coin=coin, file=name, line=0, market_cap=math.nan)
    differ = [len(set(map(str, bars[day]))) > 1 for day in sorted(bars)]
    found = [findings("conflicting_row", frame[differ], message="pages tell this day differently")]
    for kind, bad in (
        ("unreadable_row", frame["close"].isna()),
        ("nonpositive_close", frame["close"] <= 0),
    ):
        value = frame["close"][bad].astype("str")
        found.append(findings(kind, frame[bad], value=value, message="close: must be above 0"))
    if start is not None and (missing := min(bars) - start):
        before = frame[:1].assign(date=pd.Timestamp(_iso(start - 1)))
        message = "days missing after this one"
        found.append(findings("gap", before, value=str(missing), message=message))
    frame = frame[frame["close"] > 0].reset_index(drop=True)
    for column in ("open", "high", "low", "volume"):
        low = frame[column] < 0 if column == "volume" else frame[column] <= 0
        found.append(findings("nonpositive_value", frame[low], message=column))
        found.append(findings("missing_value", frame[frame[column].isna()], message=column))
        frame[column] = frame[column].mask(low)
    found.append(describe_series(frame))
    return as_price_dtypes(frame[list(COLUMNS)]), join_findings(found)


def _days(since: Day, until: Day | None, now: datetime) -> tuple[int, int]:
    """Return the first and the last day to fetch: at most the last one that has ended."""
    moment = now if now.tzinfo else now.replace(tzinfo=UTC)
    first, ended = _day("since", since), int(moment.timestamp() * 1000) // DAY - 1
    last = ended if until is None else min(ended, _day("until", until))
    if first > last:
        end = f"until: {until}" if until is not None and last < ended else "the last day that ended"
        raise OptionError(
            f"since: {since} is after {end}; the last one that can be had is {_iso(last)}"
        )
    return first, last


def _day(name: str, value: Any) -> int:
    """Return a day as days since 1970."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
        return date(day.year, day.month, day.day).toordinal() - date(1970, 1, 1).toordinal()
    except (ValueError, TypeError, AttributeError) as error:
        raise OptionError(f"{name}: must be a day as YYYY-MM-DD, got {value!r}") from error


def _iso(day: int) -> str:
    return date.fromordinal(day + date(1970, 1, 1).toordinal()).isoformat()
