"""Which queues a database holds, and how to forget one that nobody works on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Double, Table, bindparam, delete, func, select, tuple_, update

from ..errors import ConfigError
from .address import parse_url
from .database import Database
from .instance import TIME
from .journal import workers
from .schema import REVISION, ingestions, metadata, queues
from .tables import found

_SILENT = 600.0
"""Seconds for which no worker of a queue may have been seen that is to be forgotten; its lease is not known here."""

_MOST = 5000
"""Rows deleted in one transaction, because other queues wait for it."""

_TABLES = [table for table in metadata.sorted_tables if "instance" in table.c and table is not queues] + [queues]
"""The queue's own row goes last: what an interrupted call left is found by it."""

_count = select(func.count()).where(ingestions.c.instance == queues.c.instance)
_now = bindparam("now", type_=Double)
_HELD = select(
    queues.c.instance,
    queues.c.name,
    queues.c.high
    + queues.c.medium
    + queues.c.low
    + queues.c.parked_high
    + queues.c.parked_medium
    + queues.c.parked_low,
    queues.c.running,
    _count.scalar_subquery(),
    select(_now - func.max(workers.c.seen_at)).where(workers.c.instance == queues.c.instance).scalar_subquery(),
).order_by(queues.c.name)
_LOCK = select(queues.c.instance).where(queues.c.name == bindparam("of_name")).with_for_update()


class HeldQueue(NamedTuple):
    """A queue in a database: how many batches wait and run, and how many ingestions are remembered.

    `silent` is for how many seconds no worker has reported of those that did not leave, None if there is none.
    """

    number: int
    name: str
    waiting: int
    running: int
    ingestions: int
    silent: float | None


def queues_in(store: str, key: str, now: float | None = None) -> list[HeldQueue]:
    """Returns the queues in a database, by name.

    `store` is its address, `key` the setting that messages name, `now` the time in epoch seconds, None for the
    database's. Raises ConfigError where it has not the tables of this release, and StoreUnavailable.
    """
    held: list[HeldQueue] = []

    def look(connection: Connection) -> None:
        _refuse_others(connection, key)
        held.extend(_held(connection, now))

    with closing(_open(store, key)) as database:
        database.define(look)
    return held


def held_by(store: str, key: str, name: str, now: float | None = None) -> HeldQueue:
    """Returns a queue that may be forgotten; as `queues_in`.

    Raises ConfigError too for a queue that is unknown or that a worker has worked on lately.
    """
    return _idle(queues_in(store, key, now), key, name)


def forget(store: str, key: str, name: str, now: float | None = None) -> None:
    """Delete all that a queue has in a database; as `held_by`.

    What is left where this is interrupted is another queue's, of a name that says so, and can be forgotten too.
    """
    number = 0

    def take(connection: Connection) -> None:
        nonlocal number
        _refuse_others(connection, key)
        # A worker that reports meanwhile waits for its queue's row, and then finds none of that name.
        connection.execute(_LOCK, {"of_name": name})
        number = _idle(_held(connection, now), key, name).number
        renamed = update(queues).where(queues.c.instance == number).values(name=f"{name} (forgotten {number})")
        connection.execute(renamed)

    with closing(_open(store, key)) as database:
        database.define(take)
        for table in _TABLES:
            while _delete_some(database, table, number):
                pass


def _idle(held: Iterable[HeldQueue], key: str, name: str) -> HeldQueue:
    known = {one.name: one for one in held}
    if name not in known:
        raise ConfigError(f"{key} holds no queue {name!r}; it has {', '.join(known) or 'none'}.")
    queue = known[name]
    if queue.silent is not None and queue.silent < _SILENT:
        raise ConfigError(
            f"A worker of {name!r} reported {max(0.0, queue.silent):.0f} s ago: stop it first. One that was killed"
            f" counts as gone after {_SILENT:g} s."
        )
    return queue


def _open(store: str, key: str) -> Database:
    url = parse_url(store, key)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise ConfigError(f"{key}: there is no file {url.database}.")  # connecting would create it
    return Database(url, pool=1, timeout=30.0)


def _refuse_others(connection: Connection, key: str) -> None:
    """Raise ConfigError for tables of another release."""
    if (there := found(connection)) != REVISION:
        raise ConfigError(
            f"{key} holds {f'tables of revision {there}' if there else 'no tables'}; this release needs {REVISION}."
            " `flask-ingestion db upgrade` makes them."
        )


def _held(connection: Connection, now: float | None) -> Iterator[HeldQueue]:
    if now is None:  # workers report by the same clock
        is_sqlite = connection.dialect.name == "sqlite"
        now = time.time() if is_sqlite else float(connection.execute(select(TIME)).scalar_one())
    return (HeldQueue(*row) for row in connection.execute(_HELD, {"now": now}))


def _delete_some(database: Database, table: Table, instance: int) -> bool:
    """Delete some of what a queue has in a table; returns whether there may be more."""
    key = tuple_(*table.primary_key)
    some = select(*table.primary_key).where(table.c.instance == instance).limit(_MOST)
    count = 0

    def work(connection: Connection) -> None:
        nonlocal count
        count = connection.execute(delete(table).where(key.in_(some))).rowcount

    database.define(work)
    return count == _MOST
