"""Accounts at an exchange in the store: what is learned there is written before what follows.

A day on paper is one transaction. Here an order is written before it is sent, and again when the
exchange has said what became of it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from cryptodask.errors import StoreError, TableError
from cryptodask.io.lock import locked
from cryptodask.io.sealed import digest
from cryptodask.store.adding import insert_new
from cryptodask.store.connect import PATIENCE, explained, writing
from cryptodask.store.records import PENDING, Books, Fill, Order, Settled
from cryptodask.store.schema import FILLS, ORDERS, TRADING_DAYS
from cryptodask.store.trading import (
    books_of,
    check_day,
    day_row,
    fill_row,
    open_account,
    order_row,
)

PAUSE = 0.2
"""Seconds between two attempts to get the lock of an account."""


class Exchanging:
    """The part of a store that keeps accounts at exchanges; see `cryptodask.store.store.Store`."""

    _engine: Engine

    @contextmanager
    def sole_trader(self, account: str) -> Iterator[None]:
        """Let no other process trade an account in this block; the lock of a killed one is free.

        Parameters
        ----------
        account : str

        Raises
        ------
        StoreError
            Another process trades it, and has not ended in a minute.
        """
        if self._engine.dialect.name == "sqlite":
            # Of the file itself, whatever links lead to it.
            place = Path(str(self._engine.url.database)).resolve()
            lock = locked(
                place.parent, f"{place.name}.{digest([account])[:8]}.lock", patience=PATIENCE
            )
            try:
                lock.__enter__()
            except TableError as error:
                raise StoreError(f"account {account}: can't be traded now: {error}") from error
            try:
                yield
            finally:
                lock.__exit__(None, None, None)
            return
        key = int(digest(["trades", account])[:15], 16)
        with explained(self._engine):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            until = time.monotonic() + PATIENCE
            while not connection.execute(select(func.pg_try_advisory_lock(key))).scalar():
                if time.monotonic() > until:
                    raise StoreError(
                        f"account {account}: can't be traded now: another process trades it; wait "
                        "until that has ended, and run the step again"
                    )
                time.sleep(PAUSE)
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(key)))

    def books(self, account: str, broker: str, cash: float, day: str, since: str) -> Books:
        """Return what an account has at an exchange, and what it is to do; open it if it is new.

        Parameters
        ----------
        account : str
        broker : str
            The exchange, and whether it is its sandbox.
        cash : float
            That it is opened with, in the quote currency.
        day : str
            Its last day whose prices are known.
        since : str
            Requests of cutoffs before this day are passed over.

        Raises
        ------
        StoreError
            The account is another broker's, was opened with other cash, or has traded on a later
            day.
        """
        with writing(self._engine) as connection:
            open_account(connection, account, broker, cash, day)
            check_day(connection, account, day)
            return books_of(connection, account, cash, day, since, PENDING)

    def add_orders(self, account: str, orders: Sequence[Order]) -> None:
        """Add orders that are to be sent, all or none; one of a request that has one is left out.

        Parameters
        ----------
        account : str
        orders : sequence of Order
        """
        with writing(self._engine) as connection:
            for order in orders:
                row = order_row(account, order)
                connection.execute(insert_new(connection, ORDERS).values(row))

    def keep_order(self, account: str, order: Order, fills: Sequence[Fill] = ()) -> None:
        """Write what an order is now, and what it was filled by; a trade that is there stays.

        Parameters
        ----------
        account : str
        order : Order
        fills : sequence of Fill
            Its trades.
        """
        with writing(self._engine) as connection:
            row = order_row(account, order)
            connection.execute(update(ORDERS).where(ORDERS.c.key == row["key"]).values(row))
            mine = select(ORDERS.c.id).where(ORDERS.c.key == row["key"])
            number = connection.execute(mine).scalar_one()
            for fill in fills:
                if not _has_trade(connection, number, fill.trade):
                    connection.execute(insert(FILLS).values(fill_row(fill, number)))

    def sent_since(self, account: str, moment: str, *, but: int) -> tuple[int, float]:
        """Return how many orders of an account were sent since a moment, and their notional.

        Parameters
        ----------
        account : str
        moment : str
            In UTC.
        but : int
            Number of a request whose order does not count.

        Returns
        -------
        int, float
            The notional in the quote currency, at the orders' limits.
        """
        total = func.coalesce(func.sum(ORDERS.c.quantity * ORDERS.c.price), 0.0)
        query = select(func.count(), total).where(
            ORDERS.c.account == account,
            ORDERS.c.sent >= moment,
            ORDERS.c.state != "refused",
            ORDERS.c.request != but,
        )
        with explained(self._engine), self._engine.connect() as connection:
            count, notional = connection.execute(query).one()
        return int(count), float(notional)

    def end_day(self, account: str, day: str, settled: Settled) -> None:
        """Write what an account has at a day's end, in place of what an earlier try wrote.

        Parameters
        ----------
        account, day : str
        settled : Settled
            Without orders and fills, which are written.
        """
        with writing(self._engine) as connection:
            mine = TRADING_DAYS.c.account == account, TRADING_DAYS.c.day == day
            connection.execute(delete(TRADING_DAYS).where(*mine))
            connection.execute(insert(TRADING_DAYS).values(day_row(account, day, settled)))


def _has_trade(connection: Connection, order: int, trade: str) -> bool:
    mine = FILLS.c.order == order, FILLS.c.trade == trade
    return connection.execute(select(FILLS.c.id).where(*mine)).first() is not None
