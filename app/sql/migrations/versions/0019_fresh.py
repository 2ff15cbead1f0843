"""Answers that serve later submissions, and batches that await others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_AWAITING = sa.text("line = 3")


def upgrade() -> None:
    op.add_column("ingest_ingestions", sa.Column("since", sa.Double(), nullable=True))
    op.add_column("ingest_ingestions", sa.Column("served", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("ingest_batches", sa.Column("awaits_order", sa.BigInteger(), nullable=True))
    op.add_column("ingest_batches", sa.Column("awaits_position", sa.BigInteger(), nullable=True))
    op.create_index(
        "ingest_awaiting",
        "ingest_batches",
        ["instance", "awaits_order", "awaits_position"],
        sqlite_where=_AWAITING,
        postgresql_where=_AWAITING,
    )
    op.create_table(
        "ingest_answers",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.Column("asker_order", sa.BigInteger(), nullable=True),
        sa.Column("asker_position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("instance", "scope", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ingest_answers_used", "ingest_answers", ["instance", "used_at"])
