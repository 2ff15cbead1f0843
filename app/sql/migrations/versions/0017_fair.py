"""Callers that take turns inside a priority, and whose a dispatch was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("ingest_limiter", sa.Column("fair", sa.Text(), nullable=True))
    op.add_column("ingest_ingestions", sa.Column("caller", sa.BigInteger(), nullable=True))
    op.add_column("ingest_batches", sa.Column("caller", sa.BigInteger(), nullable=True))
    op.add_column("ingest_dispatches", sa.Column("owner", sa.Text(), nullable=True))
    op.create_table(
        "ingest_callers",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "number"),
    )
    op.create_index("ingest_callers_by_name", "ingest_callers", ["instance", "priority", "name"], unique=True)
    op.create_index(
        "ingest_callers_waiting",
        "ingest_callers",
        ["instance", "priority"],
        sqlite_where=sa.text("waiting > 0"),
        postgresql_where=sa.text("waiting > 0"),
    )
    op.create_table(
        "ingest_caller_lanes",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("caller", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "caller", "block"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ingest_open_of_caller",
        "ingest_ingestions",
        ["instance", "caller", "order"],
        sqlite_where=sa.text("open = 1 AND caller IS NOT NULL"),
        postgresql_where=sa.text("open = 1 AND caller IS NOT NULL"),
    )
    op.create_index(
        "ingest_in_line_of_caller",
        "ingest_batches",
        ["instance", "caller", "line", "order", "position"],
        sqlite_where=sa.text("line > 0 AND caller IS NOT NULL"),
        postgresql_where=sa.text("line > 0 AND caller IS NOT NULL"),
    )
