"""What else happened in a minute, and when nothing could start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("ingest_limiter", sa.Column("figures", sa.LargeBinary(), nullable=True))
    op.add_column("ingest_minutes", sa.Column("figures", sa.LargeBinary(), nullable=True))
    op.create_table(
        "ingest_changes",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("hold_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "at"),
        sqlite_with_rowid=False,
    )
