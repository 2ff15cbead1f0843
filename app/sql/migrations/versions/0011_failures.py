"""An index of the batches that failed, by when they did. What failed under 0.1.0 failed when it last started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("UPDATE ingest_batches SET finished_at = started_at WHERE state = 4 AND finished_at IS NULL")
    op.create_index(
        "ingest_failures",
        "ingest_batches",
        ["instance", "finished_at", "order", "position"],
        sqlite_where=sa.text("state = 4 AND finished_at IS NOT NULL"),
        postgresql_where=sa.text("state = 4 AND finished_at IS NOT NULL"),
    )
