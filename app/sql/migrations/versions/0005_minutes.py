"""How many batches started in each minute of the last hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("ingest_limiter", sa.Column("minute", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("ingest_limiter", sa.Column("starts", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "ingest_minutes",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "minute"),
        sqlite_with_rowid=False,
    )
