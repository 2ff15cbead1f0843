"""The tables as version 0.1.0 made them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "ingest_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "ingest_limiter",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("full_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("resumed_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("hold_until", sa.Double(), server_default="0", nullable=False),
        sa.Column("service", sa.Double(), server_default="0", nullable=False),
        sa.Column("aging", sa.Double(), server_default="0", nullable=False),
        sa.Column("latest", sa.Double(), server_default="0", nullable=False),
        sa.Column("orders", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dispatched", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("high", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("medium", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("low", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lined", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("running", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("instance"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "ingest_ingestions",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("order", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("id_count", sa.BigInteger(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.SmallInteger(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("waiting_ids", sa.BigInteger(), nullable=False),
        sa.Column("retrying", sa.BigInteger(), nullable=False),
        sa.Column("running", sa.BigInteger(), nullable=False),
        sa.Column("completed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("estimated_completion", sa.Double(), nullable=True),
        sa.Column("miss", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("instance", "order"),
    )
    op.create_index("ingest_by_id", "ingest_ingestions", ["instance", "id"], unique=True)
    op.create_index("ingest_by_key", "ingest_ingestions", ["instance", "key"], unique=True)
    op.create_index(
        "ingest_by_owner",
        "ingest_ingestions",
        ["instance", "owner", "rank", "order"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL AND owner IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NULL AND owner IS NOT NULL"),
    )
    op.create_index("ingest_by_status", "ingest_ingestions", ["instance", "status", "order"], unique=False)
    op.create_index(
        "ingest_finished",
        "ingest_ingestions",
        ["instance", "finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ingest_open",
        "ingest_ingestions",
        ["instance", "rank", "order"],
        unique=False,
        sqlite_where=sa.text("open = 1"),
        postgresql_where=sa.text("open = 1"),
    )
    op.create_table(
        "ingest_ids",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("order", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "order"),
    )
    op.create_table(
        "ingest_batches",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("order", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("due", sa.Double(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("results", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("instance", "order", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ingest_aside",
        "ingest_batches",
        ["instance", "due"],
        unique=False,
        sqlite_where=sa.text("line = 1"),
        postgresql_where=sa.text("line = 1"),
    )
    op.create_index(
        "ingest_leases",
        "ingest_batches",
        ["instance", "lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index(
        "ingest_live",
        "ingest_batches",
        ["instance", "order"],
        unique=False,
        sqlite_where=sa.text("state < 3"),
        postgresql_where=sa.text("state < 3"),
    )
    op.create_index(
        "ingest_ready",
        "ingest_batches",
        ["instance", "rank", "order", "position"],
        unique=False,
        sqlite_where=sa.text("line = 2"),
        postgresql_where=sa.text("line = 2"),
    )
    op.create_table(
        "ingest_lanes",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "priority", "block"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ingest_dispatches",
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("ingestion_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("order", sa.BigInteger(), nullable=False),
        sa.Column("limited_by", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("instance", "number"),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "postgresql":
        # Uncompressed, so that a slice of a million ids is read without the rest.
        op.execute("ALTER TABLE ingest_ids ALTER COLUMN ids SET STORAGE EXTERNAL")
    op.execute("INSERT INTO ingest_version (version) VALUES (1)")
