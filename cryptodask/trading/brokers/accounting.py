"""What an exchange's trades are in an account, and what an account's day was."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptodask.errors import ExchangeError
from cryptodask.store.records import PENDING, Books, Fill, Order, Settled
from cryptodask.trading.brokers.base import Report
from cryptodask.trading.brokers.exchange import Exchange
from cryptodask.trading.brokers.planning import SIDES

if TYPE_CHECKING:
    from cryptodask.store.store import Store

NOT_MADE = ("refused", "rejected")
"""States of orders that came to nothing, which are alarms."""

NEARLY = 1.0 - 1e-9
"""Share of a quantity that is as good as all of it: sums of many trades are rounded."""


def fill_of(order: Order, trade: Any, price_of: Callable[[str], float]) -> Fill:
    """Return a trade as a fill, by which cash and coins change as they did at the exchange.

    Parameters
    ----------
    order : Order
    trade : dict
        ccxt's.
    price_of : callable
        Gives the price of another coin in the quote currency, for fees that were paid in it.

    Raises
    ------
    ExchangeError
        The trade does not say what it cost.
    """
    side, price, quantity = SIDES[order.side], trade["price"], trade["amount"]
    fee, currency = trade["fee"]["cost"], trade["fee"]["currency"]
    if fee is None or (fee and currency is None):
        raise ExchangeError(f"trade {trade['id']} of {trade['symbol']}: its fee is missing")
    base, quote = trade["symbol"].split("/")
    if currency == base:
        # What was paid in the coin did not arrive, and is its price in the quote currency.
        quantity -= side * fee
        fee *= price
    elif fee and currency != quote:
        fee *= price_of(currency)
    moment = datetime.fromtimestamp(trade["timestamp"] / 1000, UTC)
    close = price if order.close is None else order.close
    return Fill(
        request=order.request, date=moment.replace(tzinfo=None).isoformat(timespec="seconds"),
        quantity=quantity, price=price, fee=fee, trade=trade["id"],
        slipped=side * (price - close) * trade["amount"],
    )  # fmt: skip


def lacking(books: Books, balances: Mapping[str, float], exchange: Exchange) -> list[str]:
    """Return what an account has by its fills, and the exchange has not, a sentence each.

    Parameters
    ----------
    books : Books
    balances : mapping of str to float
        What the exchange has of each currency, in units of it.
    exchange : Exchange
    """
    wanted = {exchange.quote: books.cash, **books.positions}
    return [
        f"{name}: the account has {amount:.8g} by its fills, and {exchange.place} has "
        f"{balances.get(name, 0.0):.8g}"
        for name, amount in wanted.items()
        if not balances.get(name, 0.0) >= amount * NEARLY  # NaN is not enough
    ]


def settled_day(
    store: "Store",
    account: str,
    day: str,
    books: Books,
    closes: Mapping[Any, float],
    lacks: Sequence[str],
) -> Settled:
    """Return what an account has at a day's end, and the day's report.

    Parameters
    ----------
    store : Store
    account, day : str
    books : Books
    closes : mapping of str to float
        In the quote currency.
    lacks : sequence of str
        Of `lacking`.
    """
    equity = books.cash + sum(q * closes[coin] for coin, q in books.positions.items())
    orders, fills = store.orders(account), store.fills(account)
    mine = orders[orders["decided"].astype(str) == day]
    states = mine["state"].value_counts().sort_index()
    totals = {
        "fills": len(fills),
        "fees": float(fills["fee"].sum()),
        "slipped": float(fills["slipped"].sum()),
    }
    days = store.trading_days(account)
    earlier = [json.loads(text) for text in days.loc[days["day"].astype(str) < day, "report"]]
    known = {request for report in earlier for request in report["not_made"]}
    # One that expired without a number there never was there.
    never = (orders["state"] == "expired") & orders["number"].isna()
    lost = orders[(orders["state"].isin(NOT_MADE) | never) & ~orders["request"].isin(known)]
    alarms = [f"{o.coin}: {o.side} {o.state}: {o.reason}" for o in lost.itertuples()]
    # What earlier days reported does not count again, whatever was killed before it reported.
    new = {key: total - sum(report[key] for report in earlier) for key, total in totals.items()}
    report: Report = {
        "day": day,
        "orders": len(mine),
        "states": {str(state): int(count) for state, count in states.items()},
        "waiting": int(orders["state"].isin(PENDING).sum()),
        **new,
        "cash": books.cash,
        "equity": equity,
        "not_made": lost["request"].tolist(),
        "alarms": [*lacks, *alarms],
    }
    return Settled(orders=[], fills=[], cash=books.cash, equity=equity, report=report)
