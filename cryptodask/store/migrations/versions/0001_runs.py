"""Runs, and what they forecast."""

import sqlalchemy as sa
from alembic import op

from cryptodask.store.schema import Stamp

revision = "0001"
down_revision = None


def _run() -> "sa.Column[int]":
    return sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True)


def upgrade() -> None:
    """Make the tables."""
    _make_runs()
    _make_forecasts()
    _make_what_is_beside()


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("spec", sa.Text),
        sa.Column("prices", sa.String(64), nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("intervals", sa.Boolean, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("first_cutoff", Stamp),
        sa.Column("last_cutoff", Stamp),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("stored", Stamp, nullable=False),
        sqlite_autoincrement=True,
    )


def _make_forecasts() -> None:
    op.create_table(
        "forecasts",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("coin", sa.String, primary_key=True),
        sa.Column("cutoff", Stamp, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("date", Stamp, nullable=False),
        sa.Column("forecast", sa.Float(53), nullable=False),
        *(sa.Column(name, sa.Float(53)) for name in ("lower_80", "upper_80")),
        *(sa.Column(name, sa.Float(53)) for name in ("lower_95", "upper_95")),
        sqlite_with_rowid=False,
    )
    first = sa.text("step = 1")
    columns = ["coin", "model", "cutoff", "run"]
    op.create_index(
        "forecast_heads", "forecasts", columns, sqlite_where=first, postgresql_where=first
    )


def _make_what_is_beside() -> None:
    op.create_table(
        "failures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("coin", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("cutoff", Stamp),
        sa.Column("exception", sa.String, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("ix_failures_run", "failures", ["run"])
    op.create_table(
        "scores",
        _run(),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("score", sa.String(40), primary_key=True),
        sa.Column("value", sa.Float(53)),
    )
    op.create_table(
        "versions",
        _run(),
        sa.Column("label", sa.String, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, and all that they hold."""
    for name in ("versions", "scores", "failures", "forecasts", "runs"):
        op.drop_table(name)
