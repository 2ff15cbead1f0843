"""The tables that count what is in line: how much waits ahead of a place, and of whom."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, Table, Text, text

from .schema import index_where, metadata

BLOCK = 256
"""How many consecutive orders share a row of `lanes`."""

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
"""How many batches of a priority are in line among `BLOCK` consecutive orders, and the least rank among them."""

callers = Table(
    "ingest_callers",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("priority", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("tag", BigInteger, nullable=False),
    Column("owed", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
)
"""Each caller at each priority, where callers take turns: its virtual time, and how many of its batches are in line.

`number` is made of the priority and the order of the first ingestion that it was made for. `owed` counts turns it has
paid for with batches that were put back; below 0, its rides since its latest turn.
"""

HAS_WAITING = text("waiting > 0")
Index("ingest_callers_by_name", callers.c.instance, callers.c.priority, callers.c.name, unique=True)
index_where("ingest_callers_waiting", callers, "priority", where=HAS_WAITING)

caller_lanes = Table(
    "ingest_caller_lanes",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("caller", BigInteger, primary_key=True, autoincrement=False),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("waiting", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many batches of a caller are in line among `BLOCK` consecutive orders, where callers take turns."""
