"""One exchange's orders by ccxt: what is sent, found again, read and canceled there.

Only Binance's are known: an answer that was lost is found again by the order's client id, and what
an error says of an order is the exchange's own.
"""

import logging
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from cryptodask.errors import ExchangeError, OptionError
from cryptodask.prices.exchange.client import Client, RequestError
from cryptodask.prices.exchange.opening import open_api, point_at
from cryptodask.prices.freq import DAILY
from cryptodask.prices.read.names import plain_name
from cryptodask.store.records import Order
from cryptodask.trading.brokers.access import KNOWN, Keys, check_place
from cryptodask.trading.brokers.outcomes import (
    LostError,
    RejectedError,
    Seen,
    StoppedError,
    check_trades,
    is_refused,
    seen_of,
)

AT_ONCE = 1000
"""Trades that one request asks for."""

LONGEST_WAIT = 120.0
"""Seconds that the exchange may ask to wait: an order is decided at a close, which grows old."""

SIGNED = re.compile(r"\?\S*signature=\S*")

_T = TypeVar("_T")


class Exchange:
    """One account at one exchange.

    Parameters
    ----------
    name : str
        ccxt's name of the exchange.
    quote : str
        Quote currency.
    keys : Keys
    live : bool
        Whether it is the exchange itself, and not its sandbox.
    api_url : str, optional
        Address of a server that speaks the exchange's API, in its place.
    timeout : float
        Seconds to wait for an answer.
    retries : int
        How often a request that failed for a temporary cause is sent again.
    sleep : callable
        Waits some seconds.

    Raises
    ------
    OptionError
        The exchange is not known here, or the address is not one of its sandbox.
    MissingExtraError
        ccxt is not installed.
    """

    def __init__(
        self,
        name: str,
        quote: str,
        keys: Keys,
        *,
        live: bool,
        api_url: str | None,
        timeout: float = 20.0,
        retries: int = 5,
        sleep: Callable[[float], object],
    ) -> None:
        if name not in KNOWN:
            raise OptionError(
                f"trade: exchange: orders are known of {', '.join(KNOWN)} alone, got {name!r}"
            )
        api = open_api(name, timeout)
        if not live:
            api.set_sandbox_mode(True)
        if api_url is not None:
            check_place(api_url, api.urls["api"], live=live)
            point_at(api, api_url)
        api.apiKey, api.secret = keys.key, keys.secret
        # ccxt writes requests with their headers, and so the key, to its log of debugging.
        api.logger = logging.Logger("silent", logging.CRITICAL + 1)
        # A redirect would carry the key to another server.
        api.session.max_redirects = 0
        # Both ask for what orders don't need.
        api.has["fetchCurrencies"] = api.options["fetchMargins"] = False
        self.quote, self._keys = quote.upper(), keys
        self.place = f"{name} {'live' if live else 'sandbox'}"
        self._client = Client(api, DAILY, retries, 1.0, sleep)
        self._client.longest_wait = LONGEST_WAIT

    def __repr__(self) -> str:
        return f"Exchange({self.place!r})"

    @property
    def window(self) -> float:
        """Seconds after which the exchange no longer takes a request that was sent."""
        return float(self._client.api.options["recvWindow"]) / 1000

    def balances(self) -> dict[str, float]:
        """Return what there is of each currency, free or in orders, in units of it."""
        total = self._read("balances", self._client.api.fetch_balance)["total"]
        return {plain_name(coin): float(amount) for coin, amount in total.items() if amount}

    def market(self, coin: str) -> Any:
        """Return ccxt's spot market of a coin in the quote currency, or None.

        Parameters
        ----------
        coin : str
        """
        every = self._read("markets", self._client.api.load_markets)
        for market in every.values():
            is_spot = market["spot"] and market["quote"] == self.quote
            if is_spot and plain_name(market["base"]) == coin:
                return market
        return None

    def limit(self, market: Any, price: float) -> float:
        """Return a price as the exchange takes it, in the quote currency.

        Parameters
        ----------
        market : dict
        price : float
            In the quote currency.

        Raises
        ------
        RejectedError
            It is under the least, or over the most.
        """
        limit = self._precise(self._client.api.price_to_precision, market, price)
        _check_bounds(market, "price", limit)
        return limit

    def lots(self, market: Any, quantity: float, limit: float) -> float:
        """Return a quantity as the exchange takes it, rounded down, in coins.

        Parameters
        ----------
        market : dict
        quantity : float
            In coins.
        limit : float
            The order's price, in the quote currency.

        Raises
        ------
        RejectedError
            It, or what it costs, is under the least, or over the most.
        """
        amount = self._precise(self._client.api.amount_to_precision, market, quantity)
        _check_bounds(market, "amount", amount)
        _check_bounds(market, "cost", amount * limit)
        return amount

    def _precise(self, rule: Callable[[str, float], Any], market: Any, value: float) -> float:
        """Return a number by ccxt's rule for the precision of a market."""
        import ccxt

        try:
            return float(rule(market["symbol"], value))
        except ccxt.InvalidOrder as error:
            raise RejectedError(f"precision: {self._clean(error)}") from None

    def send(self, market: Any, order: Order, stopped: Callable[[], str | None]) -> Seen:
        """Send an order, with its limit and client id, good till canceled.

        One that the exchange has no room for at the moment, and has not taken, is sent again.

        Parameters
        ----------
        market : dict
        order : Order
        stopped : callable
            Asked before each request; returns why none is sent, or None.

        Raises
        ------
        StoppedError
            There is a reason not to.
        RejectedError
            The exchange has not taken it.
        LostError
            It may have.
        ExchangeError
            The exchange has had no room for too long; it has not taken it.
        """
        import ccxt

        api = self._client.api

        def ask() -> Any:
            if (why := stopped()) is not None:
                raise StoppedError(why)
            about = {"clientOrderId": order.client}
            symbol, side = market["symbol"], order.side
            answer = api.create_order(symbol, "limit", side, order.quantity, order.price, about)
            return seen_of(answer, symbol, order)

        def has_no_room(error: Exception) -> bool:
            return isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded))

        try:
            return self._client.call(ask, has_no_room)  # type: ignore[no-any-return]
        except ExchangeError as error:
            raise ExchangeError(self._clean(error)) from None
        except RequestError as error:
            cause, why = error.__cause__, self._clean(error)
            if isinstance(cause, Exception) and has_no_room(cause):
                raise ExchangeError(
                    f"{self.place}: has no room for orders: {why}; run the step again later"
                ) from None
            raise (RejectedError if is_refused(cause) else LostError)(why) from None

    def find(self, market: Any, order: Order) -> Seen | None:
        """Return what the exchange has of an order, by its client id; None where it has none.

        Parameters
        ----------
        market : dict
        order : Order
        """
        import ccxt

        api = self._client.api

        def ask() -> Seen | None:
            about = {"clientOrderId": order.client}
            try:
                answer = api.fetch_order(None, market["symbol"], about)
            except ccxt.OrderNotFound:
                return None
            return seen_of(answer, market["symbol"], order)

        return self._read(f"order {order.client}", ask)

    def trades(self, market: Any, seen: Seen, order: Order) -> list[Any]:
        """Return ccxt's trades that filled an order, each once; some may come later.

        Parameters
        ----------
        market : dict
        seen : Seen
        order : Order

        Raises
        ------
        ExchangeError
            They can't be had, can't be, or are more than was filled.
        """
        api = self._client.api
        trades: dict[str, Any] = {}
        about: dict[str, Any] = {"orderId": seen.number}

        def ask() -> list[Any]:
            page = api.fetch_my_trades(market["symbol"], None, AT_ONCE, about)
            mine = [trade for trade in page if trade["order"] == seen.number]
            check_trades(mine, order.side)
            return mine

        while (total := sum(trade["amount"] for trade in trades.values())) < seen.filled:
            page = self._read(f"trades of order {seen.number}", ask)
            new = {trade["id"]: trade for trade in page}
            if not new.keys() - trades.keys():
                break
            trades |= new
            about["fromId"] = max(int(number) for number in new) + 1
        # One that is open may have been filled further since it was looked at.
        most = order.quantity if seen.status == "open" else seen.filled
        if total > most * (1.0 + 1e-9):
            raise ExchangeError(
                f"{self.place}: order {seen.number}: {most:.12g} are filled at most, and its "
                f"trades are {total:.12g}: look at it there; they are not kept"
            )
        return [trades[number] for number in sorted(trades, key=int)]

    def cancel(self, market: Any, seen: Seen) -> None:
        """Cancel an order; one that is not open any more is left alone.

        Parameters
        ----------
        market : dict
        seen : Seen
        """
        import ccxt

        def ask() -> None:
            try:
                self._client.api.cancel_order(seen.number, market["symbol"])
            except ccxt.OrderNotFound:
                return

        self._read(f"order {seen.number}", ask)

    def price(self, coin: str) -> float:
        """Return what a coin was last traded at, in the quote currency.

        Parameters
        ----------
        coin : str

        Raises
        ------
        ExchangeError
            It has no market, or no price.
        """
        market, api = self.market(coin), self._client.api
        if market is not None:
            symbol = market["symbol"]
            last = self._read(f"price of {symbol}", lambda: api.fetch_ticker(symbol))["last"]
            if last and 0 < last < math.inf:
                return float(last)
        raise ExchangeError(f"{self.place}: has no price of {coin} in {self.quote}")

    def _read(self, what: str, ask: Callable[[], _T]) -> _T:
        """Return an answer to a request that may be sent twice; errors don't have the keys."""
        try:
            return self._client.must(what, ask)  # type: ignore[no-any-return]
        except ExchangeError as error:
            raise ExchangeError(self._clean(error)) from None

    def _clean(self, error: Exception) -> str:
        text = SIGNED.sub("?...", str(error))
        for secret in (self._keys.secret, self._keys.key):
            text = text.replace(secret, "...")
        return text


def _check_bounds(market: Any, name: str, value: float) -> None:
    """Refuse a number that an exchange does not take; ccxt knows its bounds by the name."""
    bounds = market["limits"][name]
    if bounds.get("min") is not None and value < bounds["min"]:
        raise RejectedError(f"{name}: {value:.12g} is under {bounds['min']:.12g}")
    if bounds.get("max") is not None and value > bounds["max"]:
        raise RejectedError(f"{name}: {value:.12g} is over {bounds['max']:.12g}")
