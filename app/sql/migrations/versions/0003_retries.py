"""The first retries to fall due with their places, from the index alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ingest_aside", "ingest_batches")
    op.create_index(
        "ingest_aside",
        "ingest_batches",
        ["instance", "due", "rank", "order", "line"],
        sqlite_where=sa.text("line = 1"),
        postgresql_where=sa.text("line = 1"),
    )
