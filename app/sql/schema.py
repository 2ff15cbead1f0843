"""The tables of the SQL store, and how they are made.

Every row belongs to an `instance`, so that differently named instances share a database without seeing each other.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    bindparam,
    insert,
    inspect,
    select,
    text,
)

from ..errors import ConfigError

VERSION = 1
"""The version of the tables below. A higher one in the database belongs to a newer release, and is refused."""

BLOCK = 256
"""How many consecutive orders share a row of `lanes`."""

NOT_IN_LINE, ASIDE, READY = range(3)
"""What `batches.line` says of a batch to be dispatched again: not in line, set aside until due, or due."""

THIS = bindparam("this", type_=Integer)
"""The instance that a statement concerns."""

metadata = MetaData()

version = Table("ingest_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

queues = Table(
    "ingest_limiter",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("full_at", Double, nullable=False, server_default="0"),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("resumed_at", Double, nullable=False, server_default="0"),
    Column("hold_until", Double, nullable=False, server_default="0"),
    Column("service", Double, nullable=False, server_default="0"),
    Column("aging", Double, nullable=False, server_default="0"),
    Column("latest", Double, nullable=False, server_default="0"),
    Column("orders", BigInteger, nullable=False, server_default="0"),
    Column("dispatched", BigInteger, nullable=False, server_default="0"),
    Column("high", BigInteger, nullable=False, server_default="0"),
    Column("medium", BigInteger, nullable=False, server_default="0"),
    Column("low", BigInteger, nullable=False, server_default="0"),
    Column("lined", BigInteger, nullable=False, server_default="0"),
    Column("running", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
)
"""One row an instance, locked first by every writer: the bucket's state, and totals too costly to count."""

ingestions = Table(
    "ingest_ingestions",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False),
    Column("rank", Double, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("id_count", BigInteger, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("owner", Text),
    Column("key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("open", SmallInteger, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("waiting", BigInteger, nullable=False),
    Column("waiting_ids", BigInteger, nullable=False),
    Column("retrying", BigInteger, nullable=False),
    Column("running", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("estimated_completion", Double),
    Column("miss", Double),
)
"""`cursor` is the position of the first batch never dispatched; `open` is 1 while there is one to dispatch.

`open` is apart from `cursor` because PostgreSQL updates a row in place only while no indexed column changes.
"""

IS_OPEN = text("open = 1")
IS_FINISHED = text("finished_at IS NOT NULL")
IS_SOMEBODYS = text("finished_at IS NULL AND owner IS NOT NULL")
Index("ingest_by_id", ingestions.c.instance, ingestions.c.id, unique=True)
Index("ingest_by_key", ingestions.c.instance, ingestions.c.key, unique=True)
Index("ingest_by_status", ingestions.c.instance, ingestions.c.status, ingestions.c.order)
Index(
    "ingest_open",
    ingestions.c.instance,
    ingestions.c.rank,
    ingestions.c.order,
    sqlite_where=IS_OPEN,
    postgresql_where=IS_OPEN,
)
Index(
    "ingest_finished",
    ingestions.c.instance,
    ingestions.c.finished_at,
    sqlite_where=IS_FINISHED,
    postgresql_where=IS_FINISHED,
)
Index(
    "ingest_by_owner",
    ingestions.c.instance,
    ingestions.c.owner,
    ingestions.c.rank,
    ingestions.c.order,
    sqlite_where=IS_SOMEBODYS,
    postgresql_where=IS_SOMEBODYS,
)

ids = Table(
    "ingest_ids",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("ids", LargeBinary, nullable=False),
)
"""The ids of an ingestion, 8 bytes each; apart, because SQLite rewrites a whole row for any change to it."""

batches = Table(
    "ingest_batches",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("rank", Double, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", Double),
    Column("lease_until", Double),
    Column("due", Double),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("results", Text),
    sqlite_with_rowid=False,
)
"""The batches that were claimed at least once; `state` is one of `core.states`."""

IS_RUNNING = text("state = 1")
IS_LIVE = text("state < 3")
IS_ASIDE = text(f"line = {ASIDE}")
IS_READY = text(f"line = {READY}")
Index(
    "ingest_leases",
    batches.c.instance,
    batches.c.lease_until,
    sqlite_where=IS_RUNNING,
    postgresql_where=IS_RUNNING,
)
Index("ingest_live", batches.c.instance, batches.c.order, sqlite_where=IS_LIVE, postgresql_where=IS_LIVE)
Index("ingest_aside", batches.c.instance, batches.c.due, sqlite_where=IS_ASIDE, postgresql_where=IS_ASIDE)
Index(
    "ingest_ready",
    batches.c.instance,
    batches.c.rank,
    batches.c.order,
    batches.c.position,
    sqlite_where=IS_READY,
    postgresql_where=IS_READY,
)

THIS_BATCH = (
    batches.c.instance == bindparam("of_instance"),
    batches.c.order == bindparam("of_order"),
    batches.c.position == bindparam("of_position"),
)

lanes = Table(
    "ingest_lanes",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("priority", SmallInteger, primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("rank", Double, nullable=False),
    Column("waiting", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many batches of a priority wait among `BLOCK` consecutive orders, and the least rank among them."""

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
    sqlite_with_rowid=False,
)


def all_of(table: Table) -> dict[str, BindParameter[Any]]:
    """Returns the values of a whole row, to be given by the names of the columns."""
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c}


def prepare(connection: Connection, key: str) -> None:
    """Make the tables unless they are there, inside a transaction that keeps other writers out.

    Raises ConfigError, naming `key`, where they were made by a newer release.
    """
    if connection.dialect.name == "postgresql":
        # An arbitrary number of our own; ten processes that start at once take turns here.
        connection.execute(text("SELECT pg_advisory_xact_lock(1768846195)"))
    if not inspect(connection).has_table(version.name):
        metadata.create_all(connection)
        if connection.dialect.name == "postgresql":
            # Uncompressed, so that a slice of a million ids is read without the rest.
            connection.execute(text(f"ALTER TABLE {ids.name} ALTER COLUMN ids SET STORAGE EXTERNAL"))
        connection.execute(insert(version).values(version=VERSION))
    found = connection.execute(select(version.c.version)).scalar_one()
    if found > VERSION:
        raise ConfigError(
            f"{key} holds tables of version {found}, made by a newer release; this one knows version {VERSION}."
            " Upgrade, or give it another database."
        )
