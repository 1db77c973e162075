"""Prices from an exchange, through ccxt: which pages, and what went wrong.

One coin after the other and one request at a time, at the pace that the exchange allows. What to
ask for next is decided by a function without I/O (`next_page`), and which coins by
`cryptodask.prices.exchange.symbols`; `Client` alone talks.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from cryptodask.errors import ExchangeError, OptionError
from cryptodask.prices.clean.findings import file_finding, join_findings, lost
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.exchange.client import Bar, Client, Page, RequestError, open_exchange
from cryptodask.prices.exchange.fetch_rows import gap_before, to_rows
from cryptodask.prices.exchange.grid import Day, bar_of, bars_wanted, in_utc, say_bar
from cryptodask.prices.exchange.symbols import DOLLARS, choose_coins
from cryptodask.prices.freq import DAILY, bars, check_freq
from cryptodask.prices.schema import empty_prices

_TOP = 100
_DOWN = 3  # coins in a row that fail before the exchange is taken to be down


@dataclass(frozen=True)
class Fetched:
    """What one coin gave.

    Attributes
    ----------
    coin : str
        The base currency, by ccxt's name: ``BTC``.
    prices : DataFrame
        New rows in the columns of the schema, without a hole at the end: fetching can go on with
        the bar after the last. No rows where there is nothing new or nothing came.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`; ``file`` is ``exchange:symbol``.
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
    asked: Page, came: Collection[int], last: int, size: int, *, seen: bool, windowed: bool
) -> Page | None:
    """Decide what to ask for after an answer; every step goes forward, so this comes to an end.

    Parameters
    ----------
    asked : Page
        What was asked for.
    came : collection of int
        Numbers of the bars that came, in any order, those from before the page among them.
    last : int
        Last bar that is wanted.
    size : int
        Bars that the exchange gives at once.
    seen : bool
        Whether any bar of the coin has come yet.
    windowed : bool
        Whether the exchange answers with nothing where no bar lies within ``limit`` days, and not
        with the first bars after them; then the time before a coin was listed is stepped over.

    Returns
    -------
    Page or None
        None at the end, at an empty page, and at one that does not advance.
    """
    if came:
        first = max(came) + 1
    elif windowed and not seen:
        first = asked.first + asked.limit
    else:
        return None
    if first <= asked.first or first > last:
        return None
    return Page(first, min(size, last - first + 1))


def fetch_prices(
    exchange: str,
    *,
    since: Day,
    on_coin: Callable[[str, pd.DataFrame], object] | None = None,
    **options: Any,
) -> FetchResult:
    """Fetch prices of many coins and return them at once; see `iter_prices`.

    Parameters
    ----------
    on_coin : callable, optional
        Called with the name and the rows of each coin that gave any, as soon as it is there.
    exchange, since, **options
        As for `iter_prices`.

    Raises
    ------
    ExchangeError, OptionError, PolicyError, MissingExtraError
        As for `iter_prices`; coins that came before the error were handed to ``on_coin``.
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
    freq: str = DAILY,
    policies: Policies | None = None,
    already: Mapping[str, date] | None = None,
    api_url: str | None = None,
    now: datetime | None = None,
    retries: int = 5,
    backoff: float = 1.0,
    timeout: float = 10.0,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Fetched]:
    """Fetch prices of many coins, and yield one coin at a time.

    Whoever keeps each coin as it comes can be stopped at any time: given the last bar kept of
    each coin as ``already``, the next run goes on from there. A coin that fails is told by a
    finding ``not_fetched`` with the rows that came before, and the others go on.

    Parameters
    ----------
    exchange : str
        ccxt's name of it, such as ``binance``.
    since, until : str or date
        First and last UTC day. Bars that have not ended are left out; by default all come that
        have. An exchange may keep fewer (Kraken: 720).
    quote : str
        One of `DOLLARS`. Prices are in it, unconverted; keep one quote a table.
    top : int, optional
        So many coins of the largest 24-hour volume in the quote (see `rank_bases`). 100 where no
        symbols are given, none where they are.
    symbols : sequence of str, optional
        Coins by name, before those of ``top``: ``BTC``, ``BTC/USDT``, or the exchange's own name.
    freq : str
        Of the bars, one of `cryptodask.prices.freq.FREQS`; ``date`` of a row is when its bar began.
    policies : mapping of str to str, optional
        What is done about kinds of findings, see `cryptodask.prices.clean.policies`. Where the policy
        for what was found is to fail, the run ends at that coin.
    already : mapping of str to date or datetime, optional
        ``date`` of the last row that is there for a coin, in UTC; a day is its midnight. The coin
        goes on with the next bar, whatever ``since`` says.
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
        An argument makes no sense, or the exchange has no such bars.
    PolicyError
        There is a finding whose policy is to fail.
    MissingExtraError
        ccxt is not installed.
    ExchangeError
        The exchange can't be reached, three coins in a row failed, or it asks to wait for longer
        than ten minutes.
    """
    check_freq(freq)
    _check(quote, top, symbols, retries, backoff, timeout)
    moment = in_utc(now or datetime.now(UTC))
    first, last = bars_wanted(since, until, freq, moment)
    had = {coin: bar_of(f"already of {coin}", day, freq) for coin, day in (already or {}).items()}
    wanted = _Wanted(first, last, had, check_policies(policies or {}), moment)
    client = Client(open_exchange(exchange, freq, timeout, api_url), freq, retries, backoff, sleep)
    count = _TOP if top is None and symbols is None else top or 0
    return _run(client, quote.upper(), count, list(symbols or ()), wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a run is to fetch: numbers of the first and last bar, and of the last that a coin has.

    ``now`` is the moment of the run, in UTC and without a zone.
    """

    first: int
    last: int
    had: Mapping[str, int]
    policies: Policies
    now: datetime


def _check(
    quote: str,
    top: int | None,
    symbols: Sequence[str] | None,
    retries: int,
    backoff: float,
    timeout: float,
) -> None:
    """Refuse options that make no sense; see `iter_prices`."""
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
    client: Client, quote: str, top: int, symbols: list[str], wanted: _Wanted
) -> Iterator[Fetched]:
    """Fetch one coin after the other; stop where the exchange is down."""
    failed = 0
    try:
        for one in choose_coins(client, quote, top, symbols):
            if one.market is None:
                yield Fetched(one.coin, empty_prices(), one.told)
                continue
            fetched, reason, down = _fetch_coin(client, one.coin, one.market, wanted)
            told = join_findings([one.told, fetched.findings])
            yield Fetched(one.coin, fetched.prices, told)
            failed = failed + 1 if down else 0
            if failed == _DOWN:
                raise ExchangeError(
                    f"{client.api.id}: {failed} coins in a row failed, the last one {one.coin}: "
                    f"{reason}; what came before is good: run again later to go on from there"
                )
    finally:
        client.api.session.close()


def _fetch_coin(
    client: Client, coin: str, market: Any, wanted: _Wanted
) -> tuple[Fetched, str, bool]:
    """Return what a coin gave, why bars are missing at the end, and whether the request failed."""
    had = wanted.had.get(coin)
    first = wanted.first if had is None else had + 1
    told, reason, down = _fetch_bars(client, market, first, wanted.last)
    file, freq = f"{client.api.id}:{market['symbol']}", client.freq
    prices, odd = to_rows(coin, file, told, freq, wanted.policies, wanted.now)
    found = [odd]
    if had is not None:
        found.append(gap_before(prices, file, had, freq, wanted.policies))
    if reason:
        found.append(file_finding("not_fetched", coin, file, reason))
    return Fetched(coin, prices, join_findings(found)), reason, down


def _fetch_bars(
    client: Client, market: Any, first: int, last: int
) -> tuple[dict[int, list[Bar]], str, bool]:
    """Return what was told of each bar, why some are missing at the end, and if a request failed.

    A bar is told more than once where pages overlap.
    """
    told: dict[int, list[Bar]] = {}
    freq, size = client.freq, client.page_size
    page = Page(first, min(size, last - first + 1)) if first <= last else None
    while page is not None:
        try:
            rows = client.bars(market, page)
        except RequestError as error:
            span = f"{say_bar(page.first, freq)} to {say_bar(last, freq)}"
            return told, f"{span}: {error}; run again to fetch them", error.may_pass
        for row in rows:
            if first <= row[0] <= last:
                told.setdefault(row[0], []).append(row)
        came = [row[0] for row in rows]
        page = next_page(page, came, last, size, seen=bool(told), windowed=not client.raw)
    reached = max(told, default=first - 1)
    if reached < last:
        span = f"{say_bar(reached + 1, freq)} to {say_bar(last, freq)}"
        why = f"the exchange has no such {bars(freq)}, or gave no more of them"
        return told, f"{span}: {why}", False
    return told, "", False
