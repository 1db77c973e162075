"""The tables of the store, as SQLAlchemy has them; the migrations make them."""

from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

METADATA = MetaData()


class Stamp(TypeDecorator[Any]):
    """A date or moment in UTC, to the second: a timestamp, or in SQLite a text of ISO 8601.

    Midnight is written as the date alone, so that texts are in the order of what they mean.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a database.

        Parameters
        ----------
        dialect : Dialect
        """
        is_postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(TIMESTAMP(precision=0) if is_postgres else String(19))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return what is handed to the driver.

        Parameters
        ----------
        value : str, date, datetime, datetime64 or None
        dialect : Dialect
        """
        if value is None:
            return None
        text = iso(value)
        return datetime.fromisoformat(text) if dialect.name == "postgresql" else text


def iso(value: "str | date | np.datetime64") -> str:
    """Return a date or a moment as text: ``2026-11-28``, or ``2026-11-28T05:00:00``.

    Parameters
    ----------
    value : str, date, datetime or datetime64
        In UTC.
    """
    moment: np.datetime64 = np.datetime64(value, "s")  # type: ignore[call-overload]
    return str(moment).removesuffix("T00:00:00")


def _run() -> Column[Any]:
    return Column("run", Integer, ForeignKey("runs.id"), primary_key=True)


RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("spec", Text),
    Column("prices", String(64), nullable=False),
    Column("models", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("intervals", Boolean, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("first_cutoff", Stamp),
    Column("last_cutoff", Stamp),
    Column("folder", Text, nullable=False),
    Column("stored", Stamp, nullable=False),
    sqlite_autoincrement=True,
)

FORECASTS = Table(
    "forecasts",
    METADATA,
    # No foreign key, which databases would look up for each of a million rows.
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("model", String, primary_key=True),
    Column("coin", String, primary_key=True),
    Column("cutoff", Stamp, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("date", Stamp, nullable=False),
    Column("forecast", Float(53), nullable=False),
    Column("lower_80", Float(53)),
    Column("upper_80", Float(53)),
    Column("lower_95", Float(53)),
    Column("upper_95", Float(53)),
    sqlite_with_rowid=False,
)
"""Rows of a run lie together, and a new run's at the end, so that a large store grows as fast as a
small one; `HEADS` finds those of a coin."""

HEADS = Index(
    "forecast_heads",
    FORECASTS.c.coin,
    FORECASTS.c.model,
    FORECASTS.c.cutoff,
    FORECASTS.c.run,
    sqlite_where=FORECASTS.c.step == 1,
    postgresql_where=FORECASTS.c.step == 1,
)
"""The first step of each forecast: a tenth of the rows, or less."""

FAILURES = Table(
    "failures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.id"), nullable=False, index=True),
    Column("coin", String, nullable=False),
    Column("model", String, nullable=False),
    Column("cutoff", Stamp),
    Column("exception", String, nullable=False),
    Column("message", Text, nullable=False),
)

SCORES = Table(
    "scores",
    METADATA,
    _run(),
    Column("model", String, primary_key=True),
    Column("score", String(40), primary_key=True),
    Column("value", Float(53)),
)

VERSIONS = Table(
    "versions",
    METADATA,
    _run(),
    Column("label", String, primary_key=True),
    Column("path", Text, nullable=False),
)
"""The versions of models that a run predicted from."""

ACTUALS = Table(
    "actuals",
    METADATA,
    Column("coin", String, primary_key=True),
    Column("date", Stamp, primary_key=True),
    Column("seen", Stamp, primary_key=True),
    Column("close", Float(53), nullable=False),
    sqlite_with_rowid=False,
)
"""Closes that came, in the quote currency; one that was corrected later has a row for each."""

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("at", Stamp, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String, nullable=False),
    Column("value", Float(53)),
    Column("least", Float(53)),
    Column("most", Float(53)),
    Column("message", Text, nullable=False),
)

JUDGEMENTS = Table(
    "judgements",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_key", String(64), nullable=False),
    Column("rule", String, nullable=False),
    Column("coin", String, nullable=False),
    Column("model", String, nullable=False),
    Column("at", Stamp, nullable=False),
    Column("action", String(20), nullable=False),
    Column("seen", Text, nullable=False),
    UniqueConstraint("run_key", "rule", "coin", "model"),
)
"""What rules saw of a forecast, as JSON, and what they led to."""

REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("judgement", Integer, ForeignKey("judgements.id"), nullable=False),
    Column("coin", String, nullable=False),
    Column("model", String, nullable=False),
    Column("cutoff", Stamp, nullable=False),
    Column("side", String(4), nullable=False),
    Column("weight", Float(53), nullable=False),
    Column("at", Stamp, nullable=False),
)
"""Trades that rules asked for."""

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("cash", Float(53), nullable=False),
    Column("opened", Stamp, nullable=False),
    Column("broker", String(60), nullable=False, server_default="paper"),
    sqlite_with_rowid=False,
)
"""Accounts of brokers; what each has follows from its fills."""

ORDERS = Table(
    "orders",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("account", String, ForeignKey("accounts.name"), nullable=False, index=True),
    Column("request", Integer, ForeignKey("requests.id"), nullable=False),
    Column("coin", String, nullable=False),
    Column("decided", Stamp, nullable=False),
    Column("side", String(4), nullable=False),
    Column("quantity", Float(53), nullable=False),
    Column("filled", Float(53), nullable=False),
    Column("tried", Stamp),
    Column("state", String(20), nullable=False),
    Column("close", Float(53)),
    Column("price", Float(53)),
    Column("client", String(36)),
    Column("number", String(64)),
    Column("sent", Stamp),
    Column("reason", Text),
    UniqueConstraint("account", "request"),
)
"""What was ordered for requests, in coins; and the last bar that an order was tried in.

Of orders at an exchange also: the close that it was decided at, its limit, the name that we gave it
there, its number there, when it was last sent, and why it is in its state."""

FILLS = Table(
    "fills",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("order", Integer, ForeignKey("orders.id"), nullable=False),
    Column("date", Stamp, nullable=False),
    Column("quantity", Float(53), nullable=False),
    Column("price", Float(53), nullable=False),
    Column("fee", Float(53), nullable=False),
    Column("slipped", Float(53), nullable=False),
    Column("trade", String(64), nullable=False, server_default=""),
    UniqueConstraint("order", "date", "trade"),
)
"""What was filled of an order in a bar, or by a trade of an exchange, which has a number there;
price, fee and slippage in the quote currency."""

TRADING_DAYS = Table(
    "trading_days",
    METADATA,
    Column("account", String, ForeignKey("accounts.name"), primary_key=True),
    Column("day", Stamp, primary_key=True),
    Column("cash", Float(53), nullable=False),
    Column("equity", Float(53), nullable=False),
    Column("report", Text, nullable=False),
)
"""Days that an account traded on, with what it had at the end, and the day's report as JSON."""
