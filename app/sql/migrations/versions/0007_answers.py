"""How many ids of a batch are still to be asked, and whether one by one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("ingest_batches", sa.Column("left", sa.Integer(), nullable=True))
    op.add_column("ingest_batches", sa.Column("alone", sa.Boolean(), nullable=True))
