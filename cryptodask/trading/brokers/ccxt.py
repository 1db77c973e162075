"""A broker at an exchange, by ccxt: a day's requests become limit orders there, each once.

An order goes through these states, and each is in the store before what follows it is done:

- ``planned``: decided, not sent; ``refused``: it will not be, by a limit, the kill switch, or what
  the exchange takes; ``small``: nothing, or less than the settings' lots; ``replaced``: a later
  day asked for the coin, too.
- ``sending``: from before it is sent until the exchange has answered. A process that dies leaves it
  so; ``unknown``: the answer was lost. Either is looked up by its client id, and sent again only
  when the exchange does not know it and would not take the lost request any more.
- ``open``, ``partial``: it waits there for a price. After `patience` days it is canceled.
- ``filled``, ``canceled``, ``rejected``, ``expired``: the end, as the exchange says; ``expired``
  also of one that never reached it in its time.

The account's cash and coins follow from its fills, which are the exchange's trades: an account at
the exchange may have more than what is traded here. Where it has less, that is an alarm.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pandas as pd

from cryptodask.errors import ExchangeError
from cryptodask.io.sealed import digest
from cryptodask.store.records import WAITING, Books, Fill, Order
from cryptodask.text import counted
from cryptodask.trading.brokers.accounting import fill_of, lacking, settled_day
from cryptodask.trading.brokers.base import Bars, Report
from cryptodask.trading.brokers.exchange import Exchange
from cryptodask.trading.brokers.limits import Limits
from cryptodask.trading.brokers.outcomes import LostError, RejectedError, Seen, StoppedError
from cryptodask.trading.brokers.planning import SIDES, check_bars, days_between, orders_for
from cryptodask.trading.orders import ROUNDING, affordable
from cryptodask.trading.terms import Lots

if TYPE_CHECKING:
    from cryptodask.store.store import Store

ATTEMPTS = 2
"""Times that an order is sent in a run, where an answer was lost and nothing arrived."""

MARGIN = 5.0
"""Seconds beyond the exchange's window after which what it does not know never reached it."""

LISTED = "trades: "
"""How the reason of an order begins whose trades the exchange has not listed yet."""

UNSENT = ("planned", "sending", "unknown")
"""States of orders that the exchange may not have."""


def client_id(account: str, key: str) -> str:
    """Return the name of a request's order at the exchange: the same for the same request.

    Parameters
    ----------
    account : str
    key : str
        Of the request.

    Returns
    -------
    str
        32 hexadecimal digits, which every exchange takes.
    """
    return digest(["order", account, key])[:32]


@attrs.define(kw_only=True)
class ExchangeBroker:
    """A broker at an exchange; a `cryptodask.trading.brokers.base.Broker`.

    Attributes
    ----------
    account : str
        Its name in the store.
    cash : float
        That it is opened with, in the quote currency; no more is spent than this and what sales
        bring.
    exchange : Exchange
    limits : Limits
    lots : Lots
        What is ordered at least; the exchange's own lots hold beside them.
    fee : float
        Share of an order's notional that is kept for its fee.
    worse : float
        Share by which an order's limit is worse than the close it is decided at.
    patience : int
        Days after which an order that is not filled is canceled.
    sleep : callable
        Waits some seconds.
    now : callable
        Gives the moment, in UTC.
    """

    account: str
    cash: float
    exchange: Exchange
    limits: Limits
    lots: Lots
    fee: float
    worse: float
    patience: int
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def trade(self, store: "Store", day: str, since: str, bars: Bars) -> tuple[Report, bool]:
        """Trade a day; see `cryptodask.trading.brokers.base.Broker.trade`.

        Parameters
        ----------
        store : Store
        day, since : str
        bars : callable

        Raises
        ------
        ExchangeError
            It can't be reached, or what became of an order can't be known now; another try
            continues from there.
        """
        with store.sole_trader(self.account):
            # Keys, clock and network are tried before anything is decided.
            balances = self.exchange.balances()
            desk = _Desk(self, store, day, since)
            before = desk.books()
            for order in before.orders:
                desk.follow(order, is_replaced=before.contradicts(order))
            books = desk.books()
            lacks = lacking(books, balances, self.exchange)
            if lacks:  # unless an order was filled after the balances were read
                lacks = lacking(books, self.exchange.balances(), self.exchange)
            desk.lacks += lacks
            frame = bars(books.coins)
            check_bars(books, frame)
            latest = frame.groupby("coin").last()
            store.add_orders(self.account, desk.planned(books, latest))
            unsent = [order for order in desk.books().orders if order.state in UNSENT]
            # Sales first, whose cash pays for what is bought.
            for order in sorted(unsent, key=lambda order: SIDES[order.side]):
                desk.send(order)
            closes = latest["close"].to_dict()
            settled = settled_day(store, self.account, day, desk.books(), closes, desk.lacks)
            is_new = day not in set(store.trading_days(self.account)["day"].astype(str))
            store.end_day(self.account, day, settled)
            return dict(settled.report), is_new


@attrs.define
class _Desk:
    """A day of an account at an exchange."""

    broker: ExchangeBroker
    store: "Store"
    day: str
    since: str
    lacks: list[str] = attrs.field(factory=list)

    def books(self) -> Books:
        """Return what the account has by now."""
        broker = self.broker
        return self.store.books(
            broker.account, broker.exchange.place, broker.cash, self.day, self.since
        )

    def keep(self, order: Order, fills: Sequence[Fill] = ()) -> Order:
        """Store what an order is now."""
        self.store.keep_order(self.broker.account, order, fills)
        return order

    def planned(self, books: Books, latest: pd.DataFrame) -> list[Order]:
        """Return orders for the requests that have none."""
        closes = latest["close"].to_dict()
        equity = books.cash + sum(q * closes[coin] for coin, q in books.positions.items())
        orders = orders_for(
            books, books.orders, books.positions, equity, closes, self.day, self.broker.lots
        )
        return [self._plan(order, books, latest.loc[order.coin]) for order in orders]

    def _plan(self, order: Order, books: Books, last: Any) -> Order:
        """Name an order, and refuse one whose price is an old one."""
        client = client_id(self.broker.account, books.keys[order.request])
        order = attrs.evolve(order, client=client, close=float(last["close"]))
        if order.state != "open":
            return order
        if (date := str(last["date"])[:10]) != self.day:
            why = f"price: the last close is of {date}"
            return attrs.evolve(order, state="refused", reason=why)
        return attrs.evolve(order, state="planned")

    def follow(self, order: Order, *, is_replaced: bool) -> None:
        """Bring an order up to date, and end one whose time is over, or that was replaced."""
        exchange = self.broker.exchange
        is_over = is_replaced or days_between(order.decided, self.day) >= self.broker.patience
        days = f"within {counted(self.broker.patience, 'day')}"
        if is_replaced:
            days = "before a later request wanted the other side"
        if order.state == "planned":
            if is_over:
                self.keep(attrs.evolve(order, state="expired", reason=f"was not sent {days}"))
            return
        market = exchange.market(order.coin)
        if market is None:
            self.lacks.append(
                f"{order.coin}: {exchange.place} has no market of it any more, and order "
                f"{order.client} is {order.state} here; look at it there"
            )
            return
        seen = self._look(market, order)
        if seen is None:
            if is_over:
                why = f"never reached {exchange.place} {days}"
                self.keep(attrs.evolve(order, state="expired", reason=why))
            return
        order = self._learn(market, order, seen)
        if is_over and order.state in WAITING and seen.status == "open":
            # First why, so that whoever sees it canceled can say it.
            order = self.keep(attrs.evolve(order, reason=f"was not filled {days}"))
            exchange.cancel(market, seen)
            self._learn(market, order, exchange.find(market, order) or seen)

    def _look(self, market: Any, order: Order) -> Seen | None:
        """Return what the exchange has of an order; None where it has none and will not have it."""
        exchange = self.broker.exchange
        seen = exchange.find(market, order)
        if seen is None and order.sent is not None:
            age = self.broker.now() - datetime.fromisoformat(order.sent).replace(tzinfo=UTC)
            # The moment is one to the second; a request may be on its way as long as it counts.
            rest = 1.0 + exchange.window + MARGIN - age.total_seconds()
            if rest > 0:
                self.broker.sleep(min(rest, 1.0 + exchange.window + MARGIN))
                seen = exchange.find(market, order)
        return seen

    def send(self, order: Order) -> None:
        """Send an order, unless a limit or the exchange refuses it, or it is there."""
        exchange = self.broker.exchange
        market = exchange.market(order.coin)
        if market is None and order.state != "planned":
            return  # `follow` has said so
        try:
            if order.state == "planned":
                order = self._sized(market, order)
            for _ in range(ATTEMPTS):
                self._check(order)
                order = self.keep(attrs.evolve(order, state="sending", sent=self._moment()))
                try:
                    seen = exchange.find(market, order) or exchange.send(
                        market, order, self.broker.limits.stopped
                    )
                except LostError as error:
                    order = self.keep(attrs.evolve(order, state="unknown", reason=str(error)))
                    looked = self._look(market, order)
                    if looked is None:
                        continue
                    seen = looked
                self._learn(market, order, seen)
                return
        except StoppedError as error:
            self.keep(attrs.evolve(order, state="refused", reason=str(error)))
            return
        except RejectedError as error:
            self.keep(attrs.evolve(order, state="rejected", reason=str(error)))
            return
        raise ExchangeError(
            f"{exchange.place}: order {order.client} of {order.coin} did not arrive, {ATTEMPTS} "
            f"times: {order.reason}; run the step again later"
        )

    def _sized(self, market: Any, order: Order) -> Order:
        """Return an order with its limit, and a quantity that the account can pay."""
        broker, side = self.broker, SIDES[order.side]
        if market is None or market["active"] is False:
            what = "has no spot market" if market is None else "does not trade now"
            raise StoppedError(
                f"market: {broker.exchange.place} {what}: {order.coin} in {broker.exchange.quote}"
            )
        assert order.close is not None
        quantity, reason = order.quantity, None
        try:
            price = broker.exchange.limit(market, order.close * (1.0 + side * broker.worse))
            if order.side == "buy":
                quantity = min(quantity, affordable(self._free_cash(order), price, broker.fee, 0.0))
                if quantity < order.quantity:
                    reason = f"cash: {order.quantity:.6g} were wanted"
            quantity = broker.exchange.lots(market, quantity, price)
        except RejectedError as error:
            raise StoppedError(f"{reason}; {error}" if reason else str(error)) from None
        return attrs.evolve(order, quantity=quantity, price=price, reason=reason)

    def _free_cash(self, order: Order) -> float:
        """Return the account's cash without what its other purchases may still cost."""
        books = self.books()
        others = [
            other for other in books.orders
            if other.side == "buy" and other.price and other.request != order.request
        ]  # fmt: skip
        taken = sum((o.quantity - o.filled) * (o.price or 0.0) for o in others)
        return books.cash - taken * (1.0 + self.broker.fee)

    def _check(self, order: Order) -> None:
        """Raise a `StoppedError` where a limit refuses an order."""
        midnight = f"{self.broker.now():%Y-%m-%d}"
        count, total = self.store.sent_since(self.broker.account, midnight, but=order.request)
        notional = order.quantity * (order.price or 0.0)
        if (why := self.broker.limits.refusal(notional, count, total)) is not None:
            raise StoppedError(why)

    def _moment(self) -> str:
        return self.broker.now().replace(tzinfo=None).isoformat(timespec="seconds")

    def _learn(self, market: Any, order: Order, seen: Seen) -> Order:
        """Store what the exchange says of an order, with its trades."""
        trades = self.broker.exchange.trades(market, seen, order) if seen.filled > 0 else []
        filled = sum(trade["amount"] for trade in trades)
        state, reason = seen.status, order.reason
        if order.state == "unknown" or (reason or "").startswith(LISTED):
            reason = None  # which is over
        if filled < seen.filled * (1.0 - ROUNDING):
            # The exchange's lists lag; an order whose trades are missing is read again.
            state, reason = "partial", f"{LISTED}{filled:.12g} of {seen.filled:.12g} are listed"
        elif state == "closed":
            state = "filled"
        elif state not in ("canceled", "expired", "rejected"):
            state = "partial" if filled > 0 else "open"
        now = attrs.evolve(order, state=state, filled=filled, number=seen.number, reason=reason)
        price_of = self.broker.exchange.price
        return self.keep(now, [fill_of(order, trade, price_of) for trade in trades])
