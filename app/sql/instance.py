"""One named instance in the database: its row, and the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Double, bindparam, cast, extract, func, insert, select

from ..config import Settings
from ..core import Gate, Ids, Timeline
from ..errors import ConfigError, StoreUnavailable, UnknownIngestion
from .aside import Aside
from .callers import NO_TURNS
from .change import note_settings, rank_anew, take_turns
from .database import Database
from .rows import INGESTION_COLUMNS, QUEUE_COLUMNS, QUEUE_NAMES, IngestionRow, QueueRow
from .schema import BY_LEASE, THIS, batches, ingestions, queues
from .shelf import Shelf
from .tables import keep_out_older, prepare
from .wire import Wire

T = TypeVar("T")

TIME = cast(extract("epoch", func.clock_timestamp()), Double)
"""The database's clock, in epoch seconds."""

_row = select(*QUEUE_COLUMNS).where(queues.c.name == bindparam("name"))
_locked = _row.with_for_update().subquery()
# Each without the time, and with it.
_LOOK = {False: _row, True: _row.add_columns(TIME)}
# The time is read outside the subquery that waits for the lock, and therefore after it.
_LOCK = {False: select(*_locked.c), True: select(*_locked.c, TIME)}
_with_ingestion = (
    select(*INGESTION_COLUMNS, *QUEUE_COLUMNS)
    .join_from(queues, ingestions, (ingestions.c.instance == queues.c.instance) & (ingestions.c.id == bindparam("id")))
    .where(queues.c.name == bindparam("name"))
)
_FIND = {False: _with_ingestion, True: _with_ingestion.add_columns(TIME)}
_STARTED = select(batches.c.started_at).where(batches.c.instance == THIS, *BY_LEASE, batches.c.rides.is_not(True))
_FIND_HERE = select(*INGESTION_COLUMNS).where(ingestions.c.instance == THIS, ingestions.c.id == bindparam("id"))


@dataclass
class View:
    """One snapshot: the queue's row and the time, in epoch seconds."""

    connection: Wire
    queue: QueueRow
    now: float
    shelf: Shelf
    settings: Settings

    @property
    def forgotten(self) -> float:
        """The time up to which ended ingestions are forgotten."""
        return self.settings.forgotten(self.now)

    def has_forgotten(self, row: IngestionRow) -> bool:
        """Returns whether an ingestion is one of these; its row may still be there."""
        return row.finished_at is not None and row.finished_at <= self.forgotten

    def gate(self) -> Gate:
        """Returns the gate as it stands now."""
        return self.queue.gate(self.settings, self.now)

    def timeline(self) -> Timeline:
        """Returns the timeline of the upcoming starts, as of this snapshot."""
        return self.queue.timeline(self.settings, self.now, Aside(self.connection, self.queue, self.now), self._started)

    def _started(self) -> list[float]:
        """Returns when the calls in process started."""
        return [row[0] for row in self.connection.execute(_STARTED, {"this": self.queue.instance}).all()]

    def ids(self, row: IngestionRow, part: slice) -> Ids:
        """Returns a part of an ingestion's ids, off the shelf: for strings, and for very many integers."""
        return self.shelf.slice(self.connection, self.queue.instance, row, part)


class Instance:
    """`now` returns the time; if it is None, the database's clock is read. Every call may raise StoreUnavailable."""

    def __init__(self, database: Database, settings: Settings, now: Callable[[], float] | None, name: str) -> None:
        self._database = database
        self.settings = settings
        self._now = now
        self._reads_time = now is None
        self._name = name
        self.is_prepared = False
        """Whether this store has used its tables yet."""
        self.shelf = Shelf(is_sqlite=database.is_sqlite)
        self.worker: str | None = None
        """The id of this process's worker, once it has reported."""

    def prepare(self) -> None:
        """Create the tables and this instance's row if they do not exist. Raises ConfigError."""
        if self.is_prepared:
            return
        key = Settings.key_of(self._name, "store")
        aging = self.settings.priority_aging

        def make(connection: Connection) -> None:
            prepare(connection, key, upgrade=self.settings.store_upgrade)
            if self.settings.id_type == "string" or self.settings.fair:
                keep_out_older(connection)
            name, lock = {"name": self._name}, _LOCK[self._reads_time]
            is_new = (known := connection.execute(lock, name).first()) is None
            if is_new:
                fair = NO_TURNS if self.settings.fair else None
                connection.execute(insert(queues).values(name=self._name, aging=aging, fair=fair))
                known = connection.execute(lock, name).first()
            queue, now = self._told(known)
            note_settings(connection, queue, self.settings, 0.0 if is_new else now)
            if queue.aging != aging:
                rank_anew(connection, queue.instance, aging)
            if self.settings.fair != (queue.fair is not None):
                take_turns(connection, queue.instance, fair=self.settings.fair)

        self._database.define(make)
        self.is_prepared = True

    def ready(self) -> None:
        """Prepare, once the process runs. Raises StoreUnavailable for tables it refuses too: an upgrade may follow."""
        try:
            self.prepare()
        except ConfigError as error:
            raise StoreUnavailable(str(error)) from error

    def look(self) -> tuple[QueueRow, float]:
        """Returns the queue's row and the time, without a lock."""
        self.ready()
        return self._told(self._database.glance(_LOOK[self._reads_time], {"name": self._name}))

    def lock(self, connection: Wire) -> tuple[QueueRow, Callable[[], float]]:
        """Lock the queue's row, waiting for other transactions; returns it and the time, read after that."""
        queue, then = self._told(connection.execute(_LOCK[self._reads_time], {"name": self._name}).first())
        began = time.monotonic()
        return queue, self._now or (lambda: then + time.monotonic() - began)

    def read(self, work: Callable[[View], T]) -> T:
        """Returns what `work` returns, in one snapshot."""
        self.ready()
        return self._database.read(lambda connection: work(self._view(connection)))

    def read_one(self, ingestion_id: str, work: Callable[[View, IngestionRow], T]) -> T:
        """Returns what `work` returns of an ingestion, in one snapshot. Raises UnknownIngestion."""
        self.ready()
        return self._database.read(lambda connection: work(*self._find(connection, ingestion_id)))

    def polled(self, seconds: float | None) -> float | None:
        """Limit a wait (None: without end) to the time until this process looks for work from others."""
        poll = self.settings.store_poll
        return seconds if not poll else poll if seconds is None else min(seconds, poll)

    def _view(self, connection: Wire) -> View:
        told = self._told(connection.execute(_LOOK[self._reads_time], {"name": self._name}).first())
        return View(connection, *told, self.shelf, self.settings)

    def _find(self, connection: Wire, ingestion_id: str) -> tuple[View, IngestionRow]:
        found = connection.execute(_FIND[self._reads_time], {"name": self._name, "id": str(ingestion_id)}).first()
        if found is None:
            raise UnknownIngestion(ingestion_id)
        count = len(INGESTION_COLUMNS)
        view = View(connection, *self._told(found[count:]), self.shelf, self.settings)
        return view, _remembered(view, IngestionRow(*found[:count]))

    def find_in(self, view: View, ingestion_id: str) -> IngestionRow:
        """Returns an ingestion, in a snapshot that already has the queue's row. Raises UnknownIngestion."""
        found = view.connection.execute(_FIND_HERE, {"this": view.queue.instance, "id": str(ingestion_id)}).first()
        if found is None:
            raise UnknownIngestion(ingestion_id)
        return _remembered(view, IngestionRow(*found))

    def _told(self, row: Any) -> tuple[QueueRow, float]:
        if row is None:
            self.is_prepared = False
            raise StoreUnavailable(f"The store no longer knows the instance {self._name!r}; the next call adds it.")
        queue = QueueRow(*row[: len(QUEUE_NAMES)])
        return queue, self._now() if self._now else float(row[-1])


def _remembered(view: View, row: IngestionRow) -> IngestionRow:
    if view.has_forgotten(row):
        raise UnknownIngestion(row.id)
    return row
