"""Accounts, orders, fills, and the days on which accounts traded."""

import sqlalchemy as sa
from alembic import op

from cryptodask.store.schema import Stamp

revision = "0004"
down_revision = "0003"


def _number(name: str) -> "sa.Column[float]":
    return sa.Column(name, sa.Float(53), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String, primary_key=True),
        _number("cash"),
        sa.Column("opened", Stamp, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.name"), nullable=False, index=True),
        sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), nullable=False),
        sa.Column("coin", sa.String, nullable=False),
        sa.Column("decided", Stamp, nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        _number("quantity"),
        _number("filled"),
        sa.Column("tried", Stamp),
        sa.Column("state", sa.String(20), nullable=False),
        sa.UniqueConstraint("account", "request"),
    )
    op.create_table(
        "fills",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("order", sa.Integer, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("date", Stamp, nullable=False),
        *map(_number, ("quantity", "price", "fee", "slipped")),
        sa.UniqueConstraint("order", "date"),
    )
    op.create_table(
        "trading_days",
        sa.Column("account", sa.String, sa.ForeignKey("accounts.name"), primary_key=True),
        sa.Column("day", Stamp, primary_key=True),
        *map(_number, ("cash", "equity")),
        sa.Column("report", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, and all that they hold."""
    for name in ("trading_days", "fills", "orders", "accounts"):
        op.drop_table(name)
