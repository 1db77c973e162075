"""The numbers of the monitor."""

import sqlalchemy as sa
from alembic import op

from cryptodask.store.schema import Stamp

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "monitor",
        sa.Column("day", Stamp, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("measure", sa.String(40), primary_key=True),
        *(sa.Column(name, sa.Float(53)) for name in ("value", "least", "most")),
    )


def downgrade() -> None:
    """Drop the table, and all that it holds."""
    op.drop_table("monitor")
