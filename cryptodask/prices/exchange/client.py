"""One exchange of ccxt's: requests with retries, answers as bars."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from cryptodask.errors import ExchangeError, OptionError
from cryptodask.prices.freq import DAILY, FREQS, long_bars

MOST_RETRIES = 1000
"""Retries of a request, between which a minute passes."""

LONGEST_TIMEOUT = 3600
"""Seconds to wait for each byte of an answer."""

_LONGEST_WAIT = 600.0  # seconds; an exchange that asks for more has shut us out
_BACKOFF_LIMIT = 60.0  # seconds

# What ccxt's own parsing raises on JSON of another shape than it expects.
_ODD = (TypeError, ValueError, LookupError, AttributeError)

_T = TypeVar("_T")
Bar = tuple[int, float, float, float, float, float]
"""Number, counted from 1970 on, open, high, low, close, volume in the quote currency.

One that begins off the grid, among others that lie on it, has the number of the bar it begins in
and no values: after outages Binance has some that begin when trading did (2018-02-09 09:28:14).
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One request: bars from number ``first`` on, at most ``limit`` of them."""

    first: int
    limit: int


class RequestError(Exception):
    """A request failed for good; ``may_pass``: whether its cause is temporary."""

    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class Client:
    """One exchange and frequency, with retries.

    Parameters
    ----------
    api : ccxt.Exchange
    freq : str
        Of the bars.
    retries : int
        How often a request that failed for a temporary cause is sent again.
    backoff : float
        Seconds before the first retry; doubled for each further one.
    sleep : callable
        Waits some seconds.
    """

    def __init__(
        self, api: Any, freq: str, retries: int, backoff: float, sleep: Callable[[float], object]
    ) -> None:
        self.api, self.freq = api, freq
        self.retries, self.backoff, self.sleep = retries, backoff, sleep
        self.longest_wait = _LONGEST_WAIT
        # Only Binance's own endpoint has the volume in the quote currency.
        self.raw = api.id in ("binance", "binanceus")
        spot = (api.features or {}).get("spot") or {}
        self.page_size = int((spot.get("fetchOHLCV") or {}).get("limit") or 500)

    def bars(self, market: Any, page: Page) -> list[Bar]:
        """Return the bars of one page, with those from before it that the exchange adds.

        Parameters
        ----------
        market : dict
            ccxt's market of the coin.
        page : Page

        Raises
        ------
        RequestError
            As of `call`.
        """
        freq = self.freq
        start = page.first * FREQS[freq] * 1000

        def ask() -> list[Bar]:
            if self.raw:
                query = {"symbol": market["id"], "interval": freq, "startTime": start}
                rows = self.api.publicGetKlines({**query, "limit": page.limit})
                return _bars(freq, [(row[0], row[1:5], row[7]) for row in _list(rows)])
            rows = self.api.fetch_ohlcv(market["symbol"], freq, start, page.limit)
            volumes = [_number(row[5]) * _number(row[4]) for row in _list(rows)]
            return _bars(freq, [(r[0], r[1:5], v) for r, v in zip(rows, volumes, strict=True)])

        return self.call(ask)

    def must(self, what: str, ask: Callable[[], Any]) -> Any:
        """Return an answer without which nothing can be fetched.

        Parameters
        ----------
        what : str
            The answer, for errors.
        ask : callable
            Sends the request.

        Raises
        ------
        ExchangeError
            It can't be had.
        """
        try:
            return self.call(ask)
        except RequestError as error:
            raise ExchangeError(
                f"{self.api.id}: its {what} can't be had: {error}; check the network, or run "
                "again later"
            ) from error

    def call(self, ask: Callable[[], _T], passes: Callable[[Exception], bool] | None = None) -> _T:
        """Return an answer; a request that failed for a temporary cause is sent again.

        Parameters
        ----------
        ask : callable
            Sends the request.
        passes : callable, optional
            Whether a cause is temporary; by default, what is so for requests that change nothing.

        Raises
        ------
        RequestError
            It failed for another cause, or too often.
        ExchangeError
            The exchange asks to wait for longer than `longest_wait`: ten minutes.
        """
        import ccxt

        for attempt in range(self.retries + 1):
            self.api.last_response_headers = {}  # or a lost answer would leave those before it
            try:
                return ask()
            except (ccxt.BaseError, *_ODD) as error:
                may_pass = (passes or _may_pass)(error)
                if not may_pass or attempt == self.retries:
                    times = f" (asked {attempt + 1} times)" if attempt else ""
                    raise RequestError(_say(error) + times, may_pass=may_pass) from error
                requested = _retry_after(self.api.last_response_headers)
                if requested > self.longest_wait:
                    raise ExchangeError(
                        f"{self.api.id}: asks to wait {requested:.0f} s ({_say(error)}); what came "
                        "before is good: run again after that time"
                    ) from error
                wait = min(self.backoff * 2**attempt, _BACKOFF_LIMIT)
                self.sleep(max(requested, wait * random.uniform(0.5, 1.0)))
        raise AssertionError("unreachable")


def _may_pass(error: Exception) -> bool:
    """Return whether the cause of a request's failure is temporary."""
    import ccxt

    if isinstance(error, _WrongHoursError):
        return False
    # Of ccxt's plain ExchangeErrors, those of a transfer that broke have an OSError as cause.
    broken = type(error) is ccxt.ExchangeError and isinstance(error.__cause__, OSError)
    return broken or isinstance(error, (ccxt.OperationFailed, *_ODD))


class _WrongHoursError(ValueError):
    """Bars that do not begin where those of their frequency do."""


def _list(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise TypeError(f"bars are no list: {str(rows)[:80]}")
    return rows


def _number(value: Any) -> float:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _bars(freq: str, rows: Sequence[tuple[Any, Sequence[Any], Any]]) -> list[Bar]:
    """Return a page of bars; see `Bar` for those that begin off the grid."""
    step = FREQS[freq] * 1000
    starts = [int(milliseconds) for milliseconds, _, _ in rows]
    if starts and all(start % step for start in starts):
        raise _WrongHoursError(_off_grid(freq, starts[0]))
    read = []
    for start, (_, prices, volume) in zip(starts, rows, strict=True):
        opened, high, low, close, amount = map(_number, (*prices, volume))
        if start % step:
            opened = high = low = close = amount = math.nan
        read.append((start // step, opened, high, low, close, amount))
    return read


def _off_grid(freq: str, milliseconds: int) -> str:
    """Say when bars begin, and when they would have to."""
    minute, second = divmod(milliseconds // 1000 % FREQS[DAILY], 60)
    grid = "midnight" if freq == DAILY else f"00:00, {FREQS[freq] // 3600:02d}:00 and so on"
    return (
        f"{long_bars(freq)} begin at {minute // 60:02d}:{minute % 60:02d}:{second:02d} and not at "
        f"{grid} UTC; use another exchange"
    )


def _say(error: BaseException) -> str:
    """Return an error in one short line, with the cause where ccxt gives only the address."""
    cause = error.__cause__
    text = f"{type(error).__name__}: {error}" + (f" ({cause})" if cause else "")
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that an answer asks to wait, 0 where it does not."""
    text = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    if not text:
        return 0.0
    try:
        return max(0.0, _number(text) if text[0].isdigit() else _until(text))
    except (ValueError, TypeError):  # neither seconds nor a moment with a zone
        return 0.0


def _until(moment: str) -> float:
    return (parsedate_to_datetime(moment) - datetime.now(UTC)).total_seconds()


def check_requests(retries: int, backoff: float, timeout: float) -> None:
    """Refuse options of requests that make no sense, or would keep a run from ending.

    Parameters
    ----------
    retries, backoff, timeout
        As for `cryptodask.prices.exchange.fetch.iter_prices`.

    Raises
    ------
    OptionError
    """
    for name, value, most in (("retries", retries, MOST_RETRIES), ("backoff", backoff, math.inf)):
        if not value >= 0:
            raise OptionError(f"{name}: must be at least 0, got {value}")
        if value > most:
            raise OptionError(f"{name}: must be at most {most:,}, got {value}")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise OptionError(
            f"timeout: must be above 0 and at most {LONGEST_TIMEOUT:,} seconds, got {timeout}"
        )
