"""Which worker runs a batch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("ingest_batches", sa.Column("worker", sa.String(36), nullable=True))
