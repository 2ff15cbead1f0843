"""What is parked, because its priority or its caller is paused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    for name in ("parked_high", "parked_medium", "parked_low"):
        op.add_column("ingest_limiter", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    parked: sa.Column[bool] = sa.Column("parked", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    op.add_column("ingest_ingestions", parked)
    op.create_index(
        "ingest_parked",
        "ingest_ingestions",
        ["instance", "priority", "owner", "order"],
        sqlite_where=sa.text("parked"),
        postgresql_where=sa.text("parked"),
    )
