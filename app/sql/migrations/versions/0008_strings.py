"""Ids that are strings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "ingest_ingestions", sa.Column("strings", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "ingest_strings",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("order", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "order"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE ingest_strings ALTER COLUMN lines SET STORAGE EXTERNAL")
