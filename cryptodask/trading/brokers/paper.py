"""A broker on paper: orders are filled by prices that came, and nothing is bought.

What is decided at a day's close is filled at the open of the coin's next bar, sales first, whose
cash pays for what is bought. An order that a bar can't fill, or only in part, waits for those of
the next days, and then expires. Orders are ``open``, ``partial`` (filled in part, and waiting),
``filled``, ``expired``, ``replaced`` (a later day asked for the coin, or for its other side), or
``small``: under a lot, under the least that an exchange takes, or nothing, since the account has
what was asked for.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import numpy as np
import pandas as pd

from cryptodask.store.records import WAITING, Books, Fill, Order, Settled
from cryptodask.trading.brokers.base import Bars, Report
from cryptodask.trading.brokers.planning import SIDES, check_bars, days_between, orders_for
from cryptodask.trading.orders import (
    BUY,
    SELL,
    affordable,
    fee_of,
    fill_price,
    whole_lots,
    within_volume,
)
from cryptodask.trading.terms import Costs, Lots

if TYPE_CHECKING:
    from cryptodask.store.store import Store

ROUNDING = 1e-12
"""Share of a quantity that is lost when it is rounded."""

STALE = 3
"""Days without a bar after which a coin that is held is reported: it may have ended."""


@attrs.frozen(kw_only=True)
class PaperBroker:
    """A broker on paper; a `cryptodask.trading.brokers.base.Broker`.

    Attributes
    ----------
    account : str
        Its name in the store.
    cash : float
        That it is opened with, in the quote currency.
    costs : Costs
    lots : Lots
    patience : int
        Days in whose bars an order may be filled.
    """

    account: str
    cash: float
    costs: Costs
    lots: Lots
    patience: int

    def trade(self, store: "Store", day: str, since: str, bars: Bars) -> tuple[Report, bool]:
        """Settle a day in one transaction; see `cryptodask.trading.brokers.base.Broker.trade`.

        Parameters
        ----------
        store : Store
        day, since : str
        bars : callable
        """

        def settled(books: Books) -> Settled:
            return settle(books, bars(books.coins), day, self.costs, self.lots, self.patience)

        return store.trade(self.account, self.cash, day, settled, since)


class _Bar(NamedTuple):
    """A bar in which an order may be filled."""

    date: str
    price: float
    volume: float


@attrs.define
class _Account:
    """What an account has while a day is settled."""

    cash: float
    positions: dict[str, float]
    costs: Costs
    lots: Lots
    fills: list[Fill]

    def fill(self, order: Order, bar: _Bar) -> Order:
        """Fill what a bar lets fill of an order; return the order as it is then."""
        side, costs = SIDES[order.side], self.costs
        price = fill_price(bar.price, side, costs.slip)
        quantity = order.quantity - order.filled
        if costs.participation is not None:
            quantity = min(quantity, within_volume(bar.volume, bar.price, costs.participation))
        if side == BUY:
            most = affordable(self.cash, price, costs.fee, costs.minimum_fee)
        else:
            most = max(self.positions.get(order.coin, 0.0), 0.0)
        quantity = min(quantity, most)
        # A rest that is sold need not be of whole lots.
        if side == BUY or quantity < most:
            quantity = whole_lots(quantity, self.lots.size)
        if side == BUY and self._left(side, quantity, price) < 0.0:
            # By rounding: what is affordable, or whole lots of it, may be a trace more.
            size = self.lots.size
            quantity = quantity - size if size > 0.0 else quantity * (1.0 - ROUNDING)
        left = self._left(side, quantity, price)
        if quantity <= 0.0 or left < 0.0:
            return order  # there is nothing, or what a sale brings does not pay its least fee
        fee, self.cash = fee_of(quantity * price, costs.fee, costs.minimum_fee), left
        self.positions[order.coin] = self.positions.get(order.coin, 0.0) + side * quantity
        slipped = abs(price - bar.price) * quantity
        self.fills.append(
            Fill(
                request=order.request, date=bar.date, quantity=quantity, price=price, fee=fee,
                slipped=slipped,
            )
        )  # fmt: skip
        filled = order.filled + quantity
        is_whole = filled >= order.quantity * (1.0 - ROUNDING) or (
            side == SELL and quantity == most
        )
        return attrs.evolve(order, filled=filled, state="filled" if is_whole else "partial")

    def _left(self, side: int, quantity: float, price: float) -> float:
        """Return the cash after a fill, as the store adds it up."""
        fee = fee_of(quantity * price, self.costs.fee, self.costs.minimum_fee)
        return self.cash - (side * quantity * price + fee)


def settle(
    books: Books, bars: pd.DataFrame, day: str, costs: Costs, lots: Lots, patience: int
) -> Settled:
    """Return what a day does to an account: fills of older orders, and orders for its requests.

    Parameters
    ----------
    books : Books
        What the account has, and what was asked for.
    bars : DataFrame
        ``coin, date, open, close, volume`` of the coins of the books up to the day, by coin and
        date; of each its last bar at least, and those since its orders were decided.
    day : str
        Its last day whose prices are known.
    costs : Costs
    lots : Lots
    patience : int
        Days in whose bars an order may be filled.

    Returns
    -------
    Settled
        The same for the same books and bars.

    Raises
    ------
    InputError
        A coin of the books has no bar.
    """
    check_bars(books, bars)
    account = _Account(books.cash, dict(books.positions), costs, lots, [])
    orders = {order.request: order for order in books.orders}
    for request, bar in _chances(books, bars, patience):
        if orders[request].state in WAITING:
            # Once: what could not be filled in a bar can't be later, whatever there is then.
            orders[request] = attrs.evolve(account.fill(orders[request], bar), tried=bar.date)
    for request, order in orders.items():
        # One that was tried in its last bar waits for nothing, and must not stand for a position.
        used = days_between(order.decided, order.tried or order.decided)
        is_over = used >= patience or days_between(order.decided, day) > patience
        if order.state in WAITING and is_over:
            orders[request] = attrs.evolve(order, state="expired")
        elif order.state in WAITING and books.contradicts(order):
            orders[request] = attrs.evolve(order, state="replaced")
    latest = bars.groupby("coin").last()
    closes = latest["close"].to_dict()
    equity = account.cash + sum(q * closes[coin] for coin, q in account.positions.items())
    older = [order for order in orders.values() if order.state in WAITING]
    new = list(orders_for(books, older, account.positions, equity, closes, day, lots))
    report = _report(account, [*orders.values(), *new], equity, day)
    ages = {coin: days_between(date, day) for coin, date in latest["date"].items()}
    report["stale"] = sorted(c for c in account.positions if ages[c] > STALE)
    return Settled(
        orders=[*orders.values(), *new], fills=account.fills, cash=account.cash, equity=equity,
        report=report,
    )  # fmt: skip


def _chances(books: Books, bars: pd.DataFrame, patience: int) -> Iterator[tuple[int, _Bar]]:
    """Yield the orders, by their request, and the bars that may fill them, in the order of time."""
    chances = []
    rows = {str(coin): part for coin, part in bars.groupby("coin")}
    for place, order in enumerate(books.orders):
        part = rows[order.coin]
        days = part["date"].to_numpy().astype("datetime64[D]")
        after = order.tried or order.decided
        last = np.datetime64(order.decided, "D") + np.timedelta64(patience, "D")
        for i in np.flatnonzero((days > np.datetime64(after, "D")) & (days <= last)):
            opened, close, volume = part[["open", "close", "volume"]].to_numpy()[i]
            # A table may have no opens.
            bar = _Bar(str(days[i]), float(opened if opened > 0 else close), float(volume))
            chances.append((bar.date, SIDES[order.side], place, order.request, bar))
    # A day's sales pay for what is bought on it; else, who ordered first is first.
    for _, _, _, request, bar in sorted(chances, key=lambda chance: chance[:3]):
        yield request, bar


def _report(account: _Account, orders: list[Order], equity: float, day: str) -> dict[str, Any]:
    """Return what a day did, as JSON."""
    states = pd.Series([order.state for order in orders], dtype="str").value_counts()
    return {
        "day": day,
        "orders": sum(order.decided == day for order in orders),
        "states": {str(state): int(count) for state, count in sorted(states.items())},
        "fills": len(account.fills),
        "fees": sum(fill.fee for fill in account.fills),
        "slipped": sum(fill.slipped for fill in account.fills),
        "cash": account.cash,
        "equity": equity,
    }
