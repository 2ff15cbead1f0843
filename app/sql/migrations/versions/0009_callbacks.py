"""Who is told that an ingestion ended, and what is still to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("ingest_ingestions", sa.Column("callback", sa.Text(), nullable=True))
    op.create_table(
        "ingest_callbacks",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("ingestion_id", sa.String(36), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("instance", "id"),
    )
    op.create_index("ingest_callbacks_by_state", "ingest_callbacks", ["instance", "state", "at"])
    op.create_index("ingest_callbacks_of", "ingest_callbacks", ["instance", "ingestion_id"])
