"""When each batch ended; indexes for listings by status and priority together, by owner, and of what failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("ingest_batches", sa.Column("finished_at", sa.Double(), nullable=True))
    op.drop_index("ingest_by_status", "ingest_ingestions")
    op.create_index("ingest_by_kind", "ingest_ingestions", ["instance", "status", "priority", "order"])
    op.create_index(
        "ingest_with_failed",
        "ingest_ingestions",
        ["instance", "order"],
        sqlite_where=sa.text("failed > 0"),
        postgresql_where=sa.text("failed > 0"),
    )
    op.create_index(
        "ingest_of_owner",
        "ingest_ingestions",
        ["instance", "owner", "order"],
        sqlite_where=sa.text("owner IS NOT NULL"),
        postgresql_where=sa.text("owner IS NOT NULL"),
    )
