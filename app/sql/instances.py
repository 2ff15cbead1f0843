"""Which queues a database holds, and how to forget one that nobody works on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from ..errors import ConfigError
from .address import parse_url
from .database import Database
from .journal import workers
from .schema import REVISION, ingestions, metadata, queues
from .tables import found

_SILENT = 600.0
"""Seconds for which no worker of a queue may have been seen that is to be forgotten; its lease is not known here."""

_MOST = 500
"""Ingestions deleted in one transaction, because other queues wait for it."""

_count = select(func.count()).where(ingestions.c.instance == queues.c.instance)
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
    select(func.max(workers.c.seen_at)).where(workers.c.instance == queues.c.instance).scalar_subquery(),
).order_by(queues.c.name)


class HeldQueue(NamedTuple):
    """A queue in a database: how many batches wait and run, and how many ingestions are remembered.

    `seen_at` is when the latest of its workers that did not leave reported (epoch seconds), None if there is none.
    """

    number: int
    name: str
    waiting: int
    running: int
    ingestions: int
    seen_at: float | None


def queues_in(store: str, key: str) -> list[HeldQueue]:
    """Returns the queues in a database, by name.

    `store` is its address, `key` the setting that messages name. Raises ConfigError where it has not the tables of this
    release, and StoreUnavailable.
    """
    with closing(_open(store, key)) as database:
        return _held(database, key)


def held_by(store: str, key: str, name: str, now: float) -> HeldQueue:
    """Returns a queue that may be forgotten; `now` is in epoch seconds, the other parameters as in `queues_in`.

    Raises as `queues_in` does, and ConfigError for a queue that is unknown or that a worker has worked on lately.
    """
    with closing(_open(store, key)) as database:
        return _idle(database, key, name, now)


def forget(store: str, key: str, name: str, now: float) -> None:
    """Delete all that a queue has in a database; as `held_by`.

    What is left where this is interrupted is another queue's, of a name that says so, and can be forgotten too.
    """
    with closing(_open(store, key)) as database:
        queue = _idle(database, key, name, now)
        _rename(database, queue.number, f"{name} (forgotten {queue.number})")
        while _delete_some(database, queue.number):
            pass


def _idle(database: Database, key: str, name: str, now: float) -> HeldQueue:
    known = {one.name: one for one in _held(database, key)}
    if name not in known:
        raise ConfigError(f"{key} holds no queue {name!r}; it has {', '.join(known) or 'none'}.")
    queue = known[name]
    if queue.seen_at is not None and queue.seen_at > now - _SILENT:
        raise ConfigError(
            f"A worker of {name!r} reported {max(0.0, now - queue.seen_at):.0f} s ago: stop it first. One that was"
            f" killed counts as gone after {_SILENT:g} s."
        )
    return queue


def _open(store: str, key: str) -> Database:
    url = parse_url(store, key)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise ConfigError(f"{key}: there is no file {url.database}.")  # connecting would create it
    return Database(url, pool=1, timeout=30.0)


def _held(database: Database, key: str) -> list[HeldQueue]:
    held: list[HeldQueue] = []

    def look(connection: Connection) -> None:
        if (there := found(connection)) != REVISION:
            raise ConfigError(
                f"{key} holds {f'tables of revision {there}' if there else 'no tables'}; this release needs {REVISION}."
                " `flask-ingestion db upgrade` makes them."
            )
        held.extend(HeldQueue(*row) for row in connection.execute(_HELD))

    database.define(look)
    return held


def _rename(database: Database, instance: int, name: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(update(queues).where(queues.c.instance == instance).values(name=name))

    database.define(work)


def _delete_some(database: Database, instance: int) -> bool:
    """Delete what belongs to some of a queue's ingestions, or else the rest; returns whether there may be more."""
    more = True

    def work(connection: Connection) -> None:
        nonlocal more
        orders = select(ingestions.c.order).where(ingestions.c.instance == instance).order_by(ingestions.c.order)
        last = connection.execute(orders.limit(1).offset(_MOST)).scalar()
        more = last is not None
        for table in metadata.sorted_tables:
            if not more and "instance" in table.c:
                connection.execute(delete(table).where(table.c.instance == instance))
            elif "order" in table.c:
                connection.execute(delete(table).where(table.c.instance == instance, table.c.order < last))

    database.define(work)
    return more
