"""The tables of ids: those of each ingestion, which ingestions hold one, and what is known of one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from .schema import metadata

ids = Table(
    "ingest_ids",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("ids", LargeBinary, nullable=False),
)
"""The ids of an ingestion, 8 bytes each; apart, because SQLite rewrites a whole row for any change to it."""

strings = Table(
    "ingest_strings",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("lines", LargeBinary, nullable=False),
)
"""The ids of an ingestion that are strings, as lines; apart, so that 0.1.0 finds none where it looks for integers."""

hashes = Table(
    "ingest_hashes",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("order", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    Index("ingest_by_bucket", "instance", "bucket", "order"),
    sqlite_with_rowid=False,
)
"""The hashes of an ingestion's ids, 4 bytes each, those of a bucket in a row: the index of FIND_IDS."""

answers = Table(
    "ingest_answers",
    metadata,
    Column("instance", Integer, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("answer", Text),
    Column("at", Double),
    Column("accepted", BigInteger),
    Column("used_at", Double, nullable=False),
    Column("asker_order", BigInteger),
    Column("asker_position", BigInteger),
    sqlite_with_rowid=False,
)
"""What is known of an id under FRESH: its latest answer as JSON, when that came, and the batch that asks it now.

It holds the answer itself, and so outlives the ingestion that it came from. `accepted` says how many ingestions there
were when it came. The asker counts only while it runs.
"""

Index("ingest_answers_used", answers.c.instance, answers.c.used_at)
