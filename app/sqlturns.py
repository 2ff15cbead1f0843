"""Turns at the limiter's row: whatever writes takes one, and those that come together share it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import case
from sqlalchemy.dialects import postgresql, sqlite

from .errors import Refused, StoreUnavailable
from .models import Priority
from .sqlengine import Database
from .sqlinstance import Instance, View
from .sqlrows import ADD_RECORD, LIMITER_NAMES, SAVE_LIMITER, SAVE_RECORD, Record
from .sqlschema import BLOCK, all_of, lanes
from .sqlwire import Wire

T = TypeVar("T")


def _lane_change(dialect: Any) -> Any:
    statement = dialect.insert(lanes).values(all_of(lanes))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[lanes.c.instance, lanes.c.priority, lanes.c.block],
        set_={
            "waiting": lanes.c.waiting + new.waiting,
            "rank": case((new.rank < lanes.c.rank, new.rank), else_=lanes.c.rank),
        },
    )


_LANE_CHANGE = {True: _lane_change(sqlite), False: _lane_change(postgresql)}


@dataclass
class Turn(View):
    """One transaction that holds the limiter's row. `now` is the time at which it got it, in epoch seconds."""

    _lanes: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)

    def wait(self, record: Record, by: int, ids: int) -> None:
        """So many more batches of an ingestion wait, with so many ids."""
        record.waiting += by
        record.waiting_ids += ids
        self.limiter.change(Priority(record.priority), by)
        lane = record.priority, record.order // BLOCK
        rank, change = self._lanes.get(lane, (record.rank, 0))
        self._lanes[lane] = min(rank, record.rank), change + by

    def save(self, *records: Record) -> None:
        instance = self.limiter.instance
        rows = [record.values() | {"of_instance": instance, "of_order": record.order} for record in records]
        self.connection.execute(SAVE_RECORD, rows)

    def add(self, record: Record, **more: Any) -> None:
        self.connection.execute(ADD_RECORD, record.values() | more | {"instance": self.limiter.instance})

    def end(self, *, is_sqlite: bool) -> None:
        """Write down what changed in the limiter and the lanes."""
        state = self.limiter
        if self._lanes:
            changes = [
                {"instance": state.instance, "priority": priority, "block": block, "rank": rank, "waiting": by}
                for (priority, block), (rank, by) in sorted(self._lanes.items())
            ]
            self.connection.execute(_LANE_CHANGE[is_sqlite], changes)
        values = {name: getattr(state, name) for name in LIMITER_NAMES[1:]}
        self.connection.execute(SAVE_LIMITER, values | {"of_instance": state.instance})


class Turns:
    """Hands out turns. Calls that arrive while another is at it are put together in one transaction after it.

    So a commit, which waits for the disk, is shared by as many threads as there are, and none of them starves.
    """

    _MOST = 64

    def __init__(self, database: Database, instance: Instance) -> None:
        self._database = database
        self._instance = instance
        self._changed = threading.Condition()
        self._jobs: list[_Job[Any]] = []
        self._busy = False

    def take(self, work: Callable[[Turn], T], *, first: bool = False, alone: bool = False) -> T:
        """What `work` answers in its turn. It must raise Refused before it changes anything.

        `first` puts it before others that share the turn, for what should happen at the turn's time; `alone` keeps
        what takes long out of the others' turn.
        """
        job = _Job(work, first, alone)
        with self._changed:
            self._jobs.append(job)
        while True:
            with self._changed:
                while self._busy and not job.done:
                    self._changed.wait()
                if job.done:
                    return job.answer()
                self._busy = True
                jobs = self._next()
            try:
                self._run(jobs)
            finally:
                with self._changed:
                    for each in jobs:
                        each.done = True
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> list[_Job[Any]]:
        """The jobs to be done now, from the oldest on; called with the lock held."""
        count = 1
        if not self._jobs[0].alone:
            while count < min(len(self._jobs), self._MOST) and not self._jobs[count].alone:
                count += 1
        jobs, self._jobs = self._jobs[:count], self._jobs[count:]
        return sorted(jobs, key=lambda job: not job.first)

    def _run(self, jobs: list[_Job[Any]]) -> None:
        try:
            self._instance.prepare()
            self._turn(jobs)
        except StoreUnavailable as error:
            for job in jobs:
                job.error = StoreUnavailable(str(error), error.retry_after)
        except Exception as error:  # noqa: BLE001 - handed to the caller it belongs to
            # The fault is in one of them; the others must not suffer for it.
            if len(jobs) == 1:
                jobs[0].error = error
                return
            for job in jobs:
                self._run([job])

    def _turn(self, jobs: list[_Job[Any]]) -> None:
        def run(connection: Wire) -> None:
            turn = Turn(connection, *self._instance.lock(connection), self._instance.shelf)
            for job in jobs:
                job.run(turn)
            turn.end(is_sqlite=self._database.is_sqlite)

        self._database.write(run)


class _Job(Generic[T]):
    """What one caller wants done, and how it went."""

    def __init__(self, work: Callable[[Turn], T], first: bool, alone: bool) -> None:
        self._work = work
        self.first = first
        self.alone = alone
        self.done = False
        self.error: Exception | None = None
        self._answer: list[T] = []

    def run(self, turn: Turn) -> None:
        self.error, self._answer = None, []
        try:
            self._answer.append(self._work(turn))
        except Refused as error:
            self.error = error

    def answer(self) -> T:
        if self.error is not None:
            raise self.error
        if not self._answer:
            raise StoreUnavailable("The store was interrupted.")
        return self._answer[0]
