"""An index for the batches that await another: that of step 0019 held those of paused callers instead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_AWAITING = sa.text("line = 4")


def upgrade() -> None:
    op.drop_index("ingest_awaiting", "ingest_batches")
    op.create_index(
        "ingest_awaiting",
        "ingest_batches",
        ["instance", "awaits_order", "awaits_position"],
        sqlite_where=_AWAITING,
        postgresql_where=_AWAITING,
    )
