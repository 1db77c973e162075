"""Orders at an exchange, and the trades that filled them."""

import sqlalchemy as sa
from alembic import op

from cryptodask.store.schema import Stamp

revision = "0005"
down_revision = "0004"

NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
"""How PostgreSQL names a constraint that was given no name."""


def upgrade() -> None:
    """Add the columns; an order may have several trades in a second."""
    op.add_column(
        "accounts", sa.Column("broker", sa.String(60), nullable=False, server_default="paper")
    )
    for column in (
        sa.Column("close", sa.Float(53)),
        sa.Column("price", sa.Float(53)),
        sa.Column("client", sa.String(36)),
        sa.Column("number", sa.String(64)),
        sa.Column("sent", Stamp),
        sa.Column("reason", sa.Text),
    ):
        op.add_column("orders", column)
    with op.batch_alter_table("fills", naming_convention=NAMES) as fills:
        fills.add_column(sa.Column("trade", sa.String(64), nullable=False, server_default=""))
        fills.drop_constraint("fills_order_date_key", type_="unique")
        fills.create_unique_constraint("fills_order_date_trade_key", ["order", "date", "trade"])


def downgrade() -> None:
    """Drop the columns, and all that they hold; fails where an order has two trades in a second."""
    with op.batch_alter_table("fills", naming_convention=NAMES) as fills:
        fills.drop_constraint("fills_order_date_trade_key", type_="unique")
        fills.create_unique_constraint("fills_order_date_key", ["order", "date"])
        fills.drop_column("trade")
    for name in ("close", "price", "client", "number", "sent", "reason"):
        op.drop_column("orders", name)
    op.drop_column("accounts", "broker")
