"""The index that leads from ids to ingestions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for name in ("found_from", "found_to"):
        op.add_column("ingest_limiter", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "ingest_hashes",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("order", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "order", "bucket"),
        sqlite_with_rowid=False,
    )
    op.create_index("ingest_by_bucket", "ingest_hashes", ["instance", "bucket", "order"])
