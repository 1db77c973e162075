"""Prices from an exchange, through ccxt: which pages, and what went wrong.

One coin after the other and one request at a time, at the pace that the exchange allows. What to
ask for next is decided by a function without I/O (`next_page`), and which coins by
`cryptodask.prices.exchange.symbols`; `Client` alone talks.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from cryptodask.errors import ExchangeError, OptionError
from cryptodask.prices.clean.findings import file_finding, join_findings, lost
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.exchange.client import (
    Bar,
    Client,
    Page,
    RequestError,
    check_requests,
)
from cryptodask.prices.exchange.fetch_rows import gap_before, to_rows
from cryptodask.prices.exchange.grid import bar_of, bars_wanted, in_utc, say_bar
from cryptodask.prices.exchange.opening import open_exchange
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
        New rows in the columns of the schema, without a hole at the end: fetching can continue with
        the bar after the last. No rows where there is nothing new or nothing came.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`; ``file`` is ``exchange:symbol``.
    changed : DataFrame, optional
        Rows that a policy dropped or repaired, as they came; see `cryptodask.prices.reading`.
    """

    coin: str
    prices: pd.DataFrame
    findings: pd.DataFrame
    changed: pd.DataFrame | None = None


@dataclass(frozen=True)
class FetchResult:
    """What all coins gave.

    Attributes
    ----------
    prices : DataFrame
        In the columns of the schema, by coin and date.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`.
    complete : bool
        Whether nothing was left out.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame
    complete: bool


def next_page(
    page: Page, came: Collection[int], last: int, size: int, *, seen: bool, windowed: bool
) -> Page | None:
    """Return what to request after an answer; every step goes forward, so this ends.

    Parameters
    ----------
    page : Page
        What was requested.
    came : collection of int
        Numbers of the bars that came, in any order, those from before the page among them.
    last : int
        Number of the last bar that is wanted.
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
        first = page.first + page.limit
    else:
        return None
    if first <= page.first or first > last:
        return None
    return Page(first, min(size, last - first + 1))


def fetch_prices(
    exchange: str,
    *,
    since: str | date,
    on_coin: Callable[[str, pd.DataFrame], object] | None = None,
    **options: Any,
) -> FetchResult:
    """Return prices of many coins; see `iter_prices`.

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
    results = []
    for fetched in iter_prices(exchange, since=since, **options):
        results.append(fetched)
        if on_coin is not None and len(fetched.prices):
            on_coin(fetched.coin, fetched.prices)
    frames = [fetched.prices for fetched in results if len(fetched.prices)]
    prices = pd.concat(frames, ignore_index=True) if frames else empty_prices()
    prices = prices.sort_values(["coin", "date"], kind="stable", ignore_index=True)
    findings = join_findings(fetched.findings for fetched in results)
    return FetchResult(prices, findings, complete=lost(findings).empty)


def iter_prices(
    exchange: str,
    *,
    since: str | date,
    until: str | date | None = None,
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
    """Yield the prices of many coins, one coin at a time.

    A caller who keeps each coin as it comes can be stopped at any time: given the last bar kept
    of each coin as ``already``, the next call continues from there. A coin that fails has a
    finding ``not_fetched`` and the rows that came before it; the others continue.

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
        Number of coins to take by 24-hour volume in the quote (see `rank_bases`). 100 where no
        symbols are given, none where they are.
    symbols : sequence of str, optional
        Coins by name, before those of ``top``: ``BTC``, ``BTC/USDT``, or the exchange's own name.
    freq : str
        Of the bars, one of `cryptodask.prices.freq.FREQS`; ``date`` of a row is when its bar began.
    policies : mapping of str to str, optional
        What to do about each kind of finding; see `cryptodask.prices.clean.policies`. A finding
        whose policy is to fail ends fetching at that coin.
    already : mapping of str to date or datetime, optional
        ``date`` of the last row that is there for a coin, in UTC; a day is its midnight. The coin
        continues with the next bar, whatever ``since`` says.
    api_url : str, optional
        Address (http or https) of a server that speaks the exchange's API, in its place.
    now : datetime, optional
        The present moment, for tests; UTC where it has no zone.
    retries : int
        How often a request that failed for a cause that may pass is sent again.
    backoff : float
        Seconds before the first of them. Doubled for each further one, up to 60 s, less a random
        part of up to a half; at least what the exchange asks for by Retry-After.
    timeout : float
        Seconds to wait for each byte of an answer, which comes as a whole within
        `cryptodask.prices.exchange.answers.SLOWEST_ANSWER` times as many.
    sleep : callable
        Waits some seconds between retries, for tests. (The pace of requests is ccxt's.)

    Yields
    ------
    Fetched
        For each coin chosen or asked for. ``volume`` is Binance's own quote volume; elsewhere
        ccxt gives the base volume, which times the close is an estimate. ``market_cap`` is NaN.

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
    _check(quote, top, symbols)
    check_requests(retries, backoff, timeout)
    moment = in_utc(now or datetime.now(UTC))
    first, last = bars_wanted(since, until, freq, moment)
    had = {coin: bar_of(f"already of {coin}", day, freq) for coin, day in (already or {}).items()}
    wanted = _Wanted(first, last, had, check_policies(policies or {}), moment)
    client = Client(open_exchange(exchange, freq, timeout, api_url), freq, retries, backoff, sleep)
    count = _TOP if top is None and symbols is None else top or 0
    return _fetch_coins(client, quote.upper(), count, list(symbols or ()), wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to fetch.

    Attributes
    ----------
    first, last : int
        Numbers of the first and last bar.
    had : mapping of str to int
        Number of the last bar that is there for a coin.
    policies : mapping of str to str
        As `check_policies` returns them.
    now : datetime
        The present moment, in UTC and without a zone.
    """

    first: int
    last: int
    had: Mapping[str, int]
    policies: Policies
    now: datetime


def _check(quote: str, top: int | None, symbols: Sequence[str] | None) -> None:
    """Refuse options that make no sense; see `iter_prices`."""
    if quote.upper() not in DOLLARS:
        raise OptionError(
            f"quote: tables hold US dollars; must be one of {', '.join(DOLLARS)}, got {quote!r}"
        )
    if top is not None and top < 1:
        raise OptionError(f"top: must be at least 1, got {top}")
    if isinstance(symbols, str) or (symbols is not None and not symbols):
        raise OptionError(f"symbols: must be a list of at least one name, got {symbols!r}")


def _fetch_coins(
    client: Client, quote: str, top: int, symbols: list[str], wanted: _Wanted
) -> Iterator[Fetched]:
    """Fetch one coin after the other; stop where the exchange is down."""
    failed = 0
    try:
        for choice in choose_coins(client, quote, top, symbols):
            if choice.market is None:
                yield Fetched(choice.coin, empty_prices(), choice.findings)
                continue
            fetched, reason, down = _fetch_coin(client, choice.coin, choice.market, wanted)
            findings = join_findings([choice.findings, fetched.findings])
            yield replace(fetched, findings=findings)
            failed = failed + 1 if down else 0
            if failed == _DOWN:
                raise ExchangeError(
                    f"{client.api.id}: {failed} coins in a row failed, the last one {choice.coin}: "
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
    bars_by_number, reason, down = _fetch_bars(client, market, first, wanted.last)
    file, freq = f"{client.api.id}:{market['symbol']}", client.freq
    reading = to_rows(coin, file, bars_by_number, freq, wanted.policies, wanted.now)
    prices, tables = reading.prices, [reading.findings]
    if had is not None:
        tables.append(gap_before(prices, file, had, freq, wanted.policies))
    if reason:
        tables.append(file_finding("not_fetched", coin, file, reason))
    return Fetched(coin, prices, join_findings(tables), reading.changed), reason, down


def _fetch_bars(
    client: Client, market: Any, first: int, last: int
) -> tuple[dict[int, list[Bar]], str, bool]:
    """Return all answers for each bar, why some are missing at the end, and if a request failed.

    A bar has more than one answer where pages overlap.
    """
    answers: dict[int, list[Bar]] = {}
    freq, size = client.freq, client.page_size
    page = Page(first, min(size, last - first + 1)) if first <= last else None
    while page is not None:
        try:
            rows = client.bars(market, page)
        except RequestError as error:
            span = f"{say_bar(page.first, freq)} to {say_bar(last, freq)}"
            return answers, f"{span}: {error}; run again to fetch them", error.may_pass
        for row in rows:
            if first <= row[0] <= last:
                answers.setdefault(row[0], []).append(row)
        came = [row[0] for row in rows]
        page = next_page(page, came, last, size, seen=bool(answers), windowed=not client.raw)
    reached = max(answers, default=first - 1)
    if reached < last:
        span = f"{say_bar(reached + 1, freq)} to {say_bar(last, freq)}"
        why = f"the exchange has no such {bars(freq)}, or gave no more of them"
        return answers, f"{span}: {why}", False
    return answers, "", False
