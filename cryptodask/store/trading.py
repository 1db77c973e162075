"""Accounts in the store: their orders and fills, and what follows from them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pandas as pd
from sqlalchemy import Connection, Engine, Select, func, insert, select, update

from cryptodask.errors import StoreError
from cryptodask.io.sealed import digest
from cryptodask.store.adding import insert_new
from cryptodask.store.connect import explained, writing
from cryptodask.store.frames import frame_of
from cryptodask.store.records import WAITING, Books, Fill, Order, Settled
from cryptodask.store.schema import ACCOUNTS, FILLS, ORDERS, REQUESTS, TRADING_DAYS, iso

NOTHING = 1e-12
"""Share of all that was bought of a coin below which a rest of it is one of rounding."""


ORDER_FIELDS = tuple(field.name for field in attrs.fields(Order))
"""Columns of an order that `Order` has, too."""


class Trading:
    """The part of a store that keeps accounts; see `cryptodask.store.store.Store`."""

    _engine: Engine

    def trade(
        self, account: str, cash: float, day: str, settle: Callable[[Books], Settled], since: str
    ) -> tuple[dict[str, Any], bool]:
        """Settle a day of an account in one transaction; return its report, and whether it is new.

        A day that was settled is not settled again, whoever comes second, at once or later.

        Parameters
        ----------
        account : str
            Its name; one that is not there is opened.
        cash : float
            That it is opened with, in the quote currency.
        day : str
            Its last day whose prices are known.
        settle : callable
            Decides what the day does to the account.
        since : str
            Requests of cutoffs before this day are passed over.

        Raises
        ------
        StoreError
            The account is another broker's, was opened with other cash, or has traded on a later
            day.
        """
        with writing(self._engine) as connection:
            open_account(connection, account, "paper", cash, day)
            days = TRADING_DAYS.c.account == account
            there = select(TRADING_DAYS.c.report).where(days, TRADING_DAYS.c.day == day)
            if (report := connection.execute(there).scalar()) is not None:
                return json.loads(report), False
            check_day(connection, account, day)
            settled = settle(books_of(connection, account, cash, day, since, WAITING))
            _write(connection, account, day, settled)
            return dict(settled.report), True

    def orders(self, account: str | None = None) -> pd.DataFrame:
        """Return orders by their number; see `cryptodask.store.records.Order` for the columns.

        Parameters
        ----------
        account : str, optional
            By default all.
        """
        names = (
            "id",
            "account",
            "request",
            "coin",
            "decided",
            "side",
            "quantity",
            "filled",
            "state",
            "price",
            "client",
            "number",
            "sent",
            "reason",
        )
        query = select(*(ORDERS.c[name] for name in names)).order_by(ORDERS.c.id)
        return self._frame(query if account is None else query.where(ORDERS.c.account == account))

    def fills(self, account: str | None = None) -> pd.DataFrame:
        """Return fills, in the order in which they came, with their orders' coins and sides.

        Parameters
        ----------
        account : str, optional
            By default all.
        """
        return self._frame(_fills(account))

    def trading_days(self, account: str | None = None) -> pd.DataFrame:
        """Return the days that accounts traded on: ``account, day, cash, equity, report``.

        Parameters
        ----------
        account : str, optional
            By default all.
        """
        query = select(TRADING_DAYS).order_by(TRADING_DAYS.c.account, TRADING_DAYS.c.day)
        where = [] if account is None else [TRADING_DAYS.c.account == account]
        return self._frame(query.where(*where))

    def _frame(self, query: "Select[Any]") -> pd.DataFrame:
        with explained(self._engine), self._engine.connect() as connection:
            return frame_of(connection, query)


def _fills(account: str | None) -> "Select[Any]":
    """Return the query of fills with their orders, in the order in which they came."""
    columns = (
        ORDERS.c.account, FILLS.c.order, ORDERS.c.request, ORDERS.c.coin, ORDERS.c.decided,
        FILLS.c.date, ORDERS.c.side, FILLS.c.quantity, FILLS.c.price, FILLS.c.fee, FILLS.c.slipped,
        FILLS.c.trade,
    )  # fmt: skip
    query = select(*columns).join(ORDERS, ORDERS.c.id == FILLS.c.order).order_by(FILLS.c.id)
    return query if account is None else query.where(ORDERS.c.account == account)


def open_account(connection: Connection, account: str, broker: str, cash: float, day: str) -> None:
    """Open an account where it is not there; whoever comes at the same time waits here.

    Parameters
    ----------
    connection : Connection
    account : str
    broker : str
        ``paper``, or an exchange and whether it is its sandbox.
    cash : float
        That it is opened with, in the quote currency.
    day : str

    Raises
    ------
    StoreError
        It was opened with other cash, or is another broker's.
    """
    opened = insert_new(connection, ACCOUNTS)
    connection.execute(opened.values(name=account, cash=cash, opened=day, broker=broker))
    mine = select(ACCOUNTS).where(ACCOUNTS.c.name == account).with_for_update()
    row = connection.execute(mine).one()
    if row.broker != broker:
        raise StoreError(
            f"account {account}: is of {row.broker}, and the settings say {broker}; name another "
            "account"
        )
    if row.cash != cash:
        raise StoreError(
            f"account {account}: was opened with {row.cash:,.2f}, and the settings say "
            f"{cash:,.2f}; name another account"
        )


def check_day(connection: Connection, account: str, day: str) -> None:
    """Refuse a day before the last one that an account traded on.

    Parameters
    ----------
    connection : Connection
    account, day : str

    Raises
    ------
    StoreError
    """
    days = select(func.max(TRADING_DAYS.c.day)).where(TRADING_DAYS.c.account == account)
    last = connection.execute(days).scalar()
    if last is not None and iso(last) > day:
        raise StoreError(
            f"account {account}: has traded up to {iso(last)}, and can't trade on {day} "
            "any more; give a replay another account or store"
        )


def books_of(
    connection: Connection, account: str, cash: float, day: str, since: str, states: Sequence[str]
) -> Books:
    """Return what an account has, from its fills, and what it is to do.

    Parameters
    ----------
    connection : Connection
    account : str
    cash : float
        That it was opened with, in the quote currency.
    day, since : str
        Requests of cutoffs between these are without an order.
    states : sequence of str
        Of orders that may be filled yet.
    """
    positions: dict[str, float] = {}
    bought: dict[str, float] = {}
    for row in connection.execute(_fills(account)):
        sign = 1.0 if row.side == "buy" else -1.0
        cash -= sign * row.quantity * row.price + row.fee
        positions[row.coin] = positions.get(row.coin, 0.0) + sign * row.quantity
        bought[row.coin] = bought.get(row.coin, 0.0) + row.quantity
    held = {c: q for c, q in positions.items() if abs(q) > NOTHING * bought[c]}
    mine = ORDERS.c.account == account
    query = select(*(ORDERS.c[name] for name in ORDER_FIELDS))
    query = query.where(mine, ORDERS.c.state.in_(states)).order_by(ORDERS.c.id)
    orders = [
        Order(**row._asdict() | {k: _text(row._asdict()[k]) for k in ("decided", "tried", "sent")})
        for row in connection.execute(query)
    ]
    done = select(ORDERS.c.request).where(mine)
    new = REQUESTS.c.cutoff >= since, REQUESTS.c.cutoff <= day, REQUESTS.c.id.not_in(done)
    asks = (REQUESTS.c[name] for name in ("id", "coin", "side", "weight", "key", "cutoff"))
    # By key, so that an order does not depend on which group stored its requests first.
    rows = sorted(connection.execute(select(*asks).where(*new)), key=lambda row: str(row.key))
    wanted = [tuple(row)[:4] for row in rows]
    keys = {row.id: str(row.key) for row in rows}
    latest: dict[str, str] = {}
    for row in rows:
        latest[row.coin] = max(latest.get(row.coin, ""), iso(row.cutoff))
    replaced = frozenset(row.id for row in rows if iso(row.cutoff) < latest[row.coin])
    return Books(
        cash=cash, positions=held, orders=orders, wanted=wanted, keys=keys, replaced=replaced
    )


def _text(day: Any) -> str | None:
    return None if day is None else iso(day)


def order_row(account: str, order: Order) -> dict[str, Any]:
    """Return the row of an order.

    Parameters
    ----------
    account : str
    order : Order
    """
    row = {name: getattr(order, name) for name in ORDER_FIELDS}
    return {"key": digest([account, order.request]), "account": account, **row}


def _write(connection: Connection, account: str, day: str, settled: Settled) -> None:
    """Write what a day does to an account."""
    for order in settled.orders:
        row = order_row(account, order)
        if connection.execute(insert_new(connection, ORDERS).values(row)).rowcount < 1:
            changed = update(ORDERS).where(ORDERS.c.key == row["key"])
            now = {name: row[name] for name in ("filled", "state", "tried")}
            connection.execute(changed.values(now))
    mine = select(ORDERS.c.request, ORDERS.c.id).where(ORDERS.c.account == account)
    numbers = {row.request: row.id for row in connection.execute(mine)} if settled.fills else {}
    for fill in settled.fills:
        connection.execute(insert(FILLS).values(fill_row(fill, numbers[fill.request])))
    connection.execute(insert(TRADING_DAYS).values(day_row(account, day, settled)))


def day_row(account: str, day: str, settled: Settled) -> dict[str, Any]:
    """Return the row of a day of an account.

    Parameters
    ----------
    account, day : str
    settled : Settled
    """
    report = json.dumps(dict(settled.report), allow_nan=False)
    return {
        "account": account,
        "day": day,
        "cash": settled.cash,
        "equity": settled.equity,
        "report": report,
    }


def fill_row(fill: Fill, order: int) -> dict[str, Any]:
    """Return the row of a fill.

    Parameters
    ----------
    fill : Fill
    order : int
        Number of its order in the store.
    """
    names = ("date", "quantity", "price", "fee", "slipped", "trade")
    return {"order": order} | {name: getattr(fill, name) for name in names}
