"""The tables of what happened, of who works, and of what is to be told or swept."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from .schema import metadata

dispatches = Table(
    "ingest_dispatches",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("started_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("ingestion_id", String(36), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("rank", Double, nullable=False),
    Column("order", BigInteger, nullable=False),
    Column("limited_by", String(16), nullable=False),
    Column("owner", Text),
    Column("rode_with", String(36)),
    sqlite_with_rowid=False,
)

attempts = Table(
    "ingest_attempts",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("limited_by", String(16), nullable=False),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("ended_at", Double),
    Column("outcome", String(16)),
    Column("error_type", Text),
    Column("error_message", Text),
    sqlite_with_rowid=False,
)
"""The latest ATTEMPTS_KEPT attempts at each batch; `number` is that of its dispatch."""

minutes = Table(
    "ingest_minutes",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("starts", BigInteger, nullable=False),
    Column("figures", LargeBinary),
    sqlite_with_rowid=False,
)
"""How many batches started in a minute, and its other figures as `minutes` packs them, once it is over.

The queue's row has those of the current one.
"""

changes = Table(
    "ingest_changes",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("at", Double, primary_key=True, autoincrement=False),
    Column("paused", Boolean, nullable=False),
    Column("hold_until", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""What the latest pauses, resumes and holds led to, each from `at` on."""

workers = Table(
    "ingest_workers",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("abandoned", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""The workers of each queue, until they leave or are not seen for a lease."""

callbacks = Table(
    "ingest_callbacks",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("ingestion_id", String(36), nullable=False),
    Column("url", Text),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
)
"""What is to be told of ingestions that ended, and what was told for as long as RETENTION.

It holds the whole of it, and so outlives its ingestion. `at` is when it is due, and once it is over, when it ended.
"""

Index("ingest_callbacks_by_state", callbacks.c.instance, callbacks.c.state, callbacks.c.at)
Index("ingest_callbacks_of", callbacks.c.instance, callbacks.c.ingestion_id)


sweeps = Table(
    "ingest_sweeps",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("verb", String(16), nullable=False),
    Column("where", Text, nullable=False),
    Column("by", Text),
    Column("key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("matched", BigInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("acted", BigInteger, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("finished_at", Double),
)
"""Redrives and cancels of all that match `where`, as JSON; kept for RETENTION after their end. They are few."""

audits = Table(
    "ingest_audits",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("by", Text),
    Column("action", String(32), nullable=False),
    Column("subject", String(36), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What people did to a queue: its latest AUDIT_LOG operations."""
