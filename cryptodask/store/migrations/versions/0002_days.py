"""What came, what was judged and asked for, and alerts."""

import sqlalchemy as sa
from alembic import op

from cryptodask.store.schema import Stamp

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "actuals",
        sa.Column("coin", sa.String, primary_key=True),
        sa.Column("date", Stamp, primary_key=True),
        sa.Column("seen", Stamp, primary_key=True),
        sa.Column("close", sa.Float(53), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("at", Stamp, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        *(sa.Column(name, sa.Float(53)) for name in ("value", "least", "most")),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_table(
        "judgements",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_key", sa.String(64), nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("coin", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("at", Stamp, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.UniqueConstraint("run_key", "rule", "coin", "model"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("judgement", sa.Integer, sa.ForeignKey("judgements.id"), nullable=False),
        sa.Column("coin", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("cutoff", Stamp, nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("weight", sa.Float(53), nullable=False),
        sa.Column("at", Stamp, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, and all that they hold."""
    for name in ("requests", "judgements", "alerts", "actuals"):
        op.drop_table(name)
