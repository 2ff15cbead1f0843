"""The tables of the SQL store: the queue, its ingestions and their batches. The others are in `contents`, `lanes` and
`journal`.

Every row belongs to an `instance`, so that differently named instances share a database without seeing each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
    bindparam,
    or_,
    text,
)

from ..core import COMPLETED, FAILED, RUNNING

VERSION = 2
"""How far the tables can change before this release must not use them: a higher number in the database is refused.

2 says that ids may be strings, and that callers may take turns.
"""

FIRST, REVISION = "0001", "0021"
"""The revision of the first release's tables, and of those below: what `migrations` leads to."""

NOT_IN_LINE, ASIDE, READY, PARKED, AWAITING = range(5)
"""What `batches.line` says of a batch that the cursor has passed: not in line, set aside until due, due, paused, or
awaiting another batch.
"""

THIS = bindparam("this", type_=Integer)
"""The instance that a statement concerns."""

metadata = MetaData()


def index_where(name: str, table: Table, *columns: str, where: TextClause) -> None:
    """Index the rows of each instance that a condition holds for."""
    Index(name, table.c.instance, *(table.c[one] for one in columns), sqlite_where=where, postgresql_where=where)


version = Table("ingest_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

revisions = Table("ingest_revision", MetaData(), Column("version_num", String(32), primary_key=True))
"""Kept by Alembic; a name of our own, because a host may have migrations in the same database."""

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
    Column("parked_high", BigInteger, nullable=False, server_default="0"),
    Column("parked_medium", BigInteger, nullable=False, server_default="0"),
    Column("parked_low", BigInteger, nullable=False, server_default="0"),
    Column("lined", BigInteger, nullable=False, server_default="0"),
    Column("running", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("slots", Integer, nullable=False, server_default="0"),
    Column("minute", BigInteger, nullable=False, server_default="0"),
    Column("starts", BigInteger, nullable=False, server_default="0"),
    Column("levels", Text),
    Column("figures", LargeBinary),
    Column("found_from", BigInteger, nullable=False, server_default="0"),
    Column("found_to", BigInteger, nullable=False, server_default="0"),
    Column("fair", Text),
)
"""One row an instance, locked first by every writer: the bucket's state, and totals too costly to count.

`found_from` and `found_to` are the first and the last of the orders whose ids are in `hashes`, without a gap. `fair`
holds the virtual time of each priority as JSON, null while callers take no turns.
"""

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
    Column("strings", Boolean, nullable=False, server_default=text("false")),
    Column("key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("open", SmallInteger, nullable=False),
    Column("parked", Boolean, nullable=False, server_default=text("false")),
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
    Column("callback", Text),
    Column("caller", BigInteger),
    Column("since", Double),
    Column("served", BigInteger, nullable=False, server_default="0"),
)
"""`cursor` is the position of the first batch never dispatched; `open` is 1 while there is one to dispatch, and 0 while
it is `parked`, because its priority or caller is paused. `strings` says that its ids are in the table of that name.
`caller` is its row in `callers` where callers take turns. Answers that came after `since` serve it, and have served
`served` ids.

`open` is apart from `cursor` because PostgreSQL updates a row in place only while no indexed column changes.
"""

IS_OPEN = text("open = 1")
IS_PARKED = text("parked")
IS_OPEN_OF_CALLER = text("open = 1 AND caller IS NOT NULL")
IS_FINISHED = text("finished_at IS NOT NULL")
HAS_FAILED = text("failed > 0")
HAS_OWNER = text("owner IS NOT NULL")
IS_SOMEBODYS = text("finished_at IS NULL AND owner IS NOT NULL")


def remembered(some: FromClause, forgotten: Any) -> ColumnElement[bool]:
    """Returns the condition for those of some ingestions that did not end by `forgotten`."""
    return or_(some.c.finished_at.is_(None), some.c.finished_at > forgotten)


Index("ingest_by_id", ingestions.c.instance, ingestions.c.id, unique=True)
Index("ingest_by_key", ingestions.c.instance, ingestions.c.key, unique=True)
Index("ingest_by_kind", ingestions.c.instance, ingestions.c.status, ingestions.c.priority, ingestions.c.order)
index_where("ingest_of_owner", ingestions, "owner", "order", where=HAS_OWNER)
index_where("ingest_with_failed", ingestions, "order", where=HAS_FAILED)
index_where("ingest_open", ingestions, "rank", "order", where=IS_OPEN)
index_where("ingest_parked", ingestions, "priority", "owner", "order", where=IS_PARKED)
index_where("ingest_open_of_caller", ingestions, "caller", "order", where=IS_OPEN_OF_CALLER)
index_where("ingest_finished", ingestions, "finished_at", where=IS_FINISHED)
index_where("ingest_by_owner", ingestions, "owner", "rank", "order", where=IS_SOMEBODYS)

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
    Column("finished_at", Double),
    Column("due", Double),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("results", Text),
    Column("left", Integer),
    Column("alone", Boolean),
    Column("caller", BigInteger),
    Column("awaits_order", BigInteger),
    Column("awaits_position", BigInteger),
    Column("rides", Boolean),
    Column("worker", String(36)),
    sqlite_with_rowid=False,
)
"""The batches whose turn came at least once; `state` is one of `core.states`.

`left` counts the ids that are still to be asked where that is not all of them, `alone` says that they go one by one,
`rides` that the batch shares the call of another. `worker` is the id of the one that runs it. `caller` is its
ingestion's, set when it gets in line. `awaits_order` and `awaits_position` are those of the batch that one in AWAITING
awaits.
"""

IS_RUNNING = text(f"state = {RUNNING}")
IS_LIVE = text(f"state < {COMPLETED}")
HAS_FAILED_AT = text(f"state = {FAILED} AND finished_at IS NOT NULL")
IS_ASIDE = text(f"line = {ASIDE}")
IS_READY = text(f"line = {READY}")
IS_IN_LINE_OF_CALLER = text(f"line > {NOT_IN_LINE} AND caller IS NOT NULL")
IS_AWAITING = text(f"line = {AWAITING}")
index_where("ingest_leases", batches, "lease_until", where=IS_RUNNING)
index_where("ingest_live", batches, "order", where=IS_LIVE)
# SQLite answers from the index alone only if it has what the condition names.
index_where("ingest_aside", batches, "due", "rank", "order", "line", where=IS_ASIDE)
index_where("ingest_ready", batches, "rank", "order", "position", where=IS_READY)
index_where("ingest_in_line_of_caller", batches, "caller", "line", "order", "position", where=IS_IN_LINE_OF_CALLER)
index_where("ingest_awaiting", batches, "awaits_order", "awaits_position", where=IS_AWAITING)
index_where("ingest_failures", batches, "finished_at", "order", "position", where=HAS_FAILED_AT)

# SQLite does not know how few rows a partial index has, and would read all batches of an instance by their key. What is
# added here holds of these rows anyway, and has it take the index.
BY_LEASE = (IS_RUNNING, batches.c.lease_until > 0)
BY_RANK = (IS_READY, batches.c.rank > 0)
BY_AWAITED = (IS_AWAITING, batches.c.awaits_order > 0)
BY_CALLER = (text(f"ingest_batches.line > {NOT_IN_LINE}"), batches.c.order > 0)

THIS_BATCH = (
    batches.c.instance == bindparam("of_instance"),
    batches.c.order == bindparam("of_order"),
    batches.c.position == bindparam("of_position"),
)
"""The batch that a statement concerns, by the values of `batch_key`."""

BATCH_KEY = ("of_instance", "of_order", "of_position")


def batch_key(instance: int, order: int, position: int) -> dict[str, Any]:
    """Returns the values that name a batch."""
    return dict(zip(BATCH_KEY, (instance, order, position), strict=True))


def all_of(table: Table) -> dict[str, BindParameter[Any]]:
    """Returns the values of a whole row, to be given by the names of the columns."""
    return some_of(table, table.c.keys())


def some_of(table: Table, names: Iterable[str]) -> dict[str, BindParameter[Any]]:
    """Returns the values of some columns, to be given by their names."""
    return {name: bindparam(name, type_=table.c[name].type) for name in names}
