"""Which batches ride in the call of another, and in whose they rode."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("ingest_batches", sa.Column("rides", sa.Boolean(), nullable=True))
    op.add_column("ingest_dispatches", sa.Column("rode_with", sa.String(36), nullable=True))
