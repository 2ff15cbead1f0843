"""The state of several limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("ingest_limiter", sa.Column("levels", sa.Text(), nullable=True))
