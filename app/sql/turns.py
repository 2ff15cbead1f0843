"""Turns at the queue's row: every writer takes one, and concurrent writers share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import case, update

from ..core import Priority, Served, ServedLog
from ..errors import Refusal, StoreUnavailable
from .callers import write_waiting
from .database import Database
from .instance import Instance, View
from .lanes import BLOCK, lanes
from .rows import ADD_INGESTION, SAVE_INGESTION, IngestionRow, save_queue
from .schema import THIS, queues
from .upsert import upsert
from .wire import Wire

R = TypeVar("R")
T = TypeVar("T")


ROWS = 5000
"""Rows written or deleted in one turn at most where there may be very many, so that nobody waits for it."""

_WRITE_AGAIN = update(queues).values(name=queues.c.name).where(queues.c.instance == THIS)

_LANE_CHANGE = upsert(
    lanes,
    lambda new: {
        "waiting": lanes.c.waiting + new.waiting,
        "rank": case((new.rank < lanes.c.rank, new.rank), else_=lanes.c.rank),
    },
)


@dataclass
class Turn(View):
    """One transaction that holds the queue's row. `now` is the time of the current work, in epoch seconds.

    `worker` is the id of the worker of this process. `served` holds what was served: batches that ended by that, or
    None, each with the count of its ids.
    """

    worker: str | None = None
    served: list[tuple[Served | None, int]] = field(default_factory=list)
    _lanes: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)
    _of_callers: dict[tuple[int, int], int] = field(default_factory=dict)

    def wait(self, row: IngestionRow, by: int, ids: int) -> None:
        """Change an ingestion's count of waiting batches by `by`, and of waiting ids by `ids`."""
        row.waiting += by
        row.waiting_ids += ids
        self.queue.change(Priority(row.priority), by, parked=row.parked)
        if row.parked:
            return
        if row.caller is not None and self.queue.fair:
            key = row.caller, row.order // BLOCK
            self._of_callers[key] = self._of_callers.get(key, 0) + by
        lane = row.priority, row.order // BLOCK
        rank, change = self._lanes.get(lane, (row.rank, 0))
        self._lanes[lane] = min(rank, row.rank), change + by

    def allow(self, rows: int) -> None:
        """Let the turn write so many rows of one ingestion, even if PostgreSQL takes longer than STORE_TIMEOUT to."""
        if rows > ROWS and not self.connection.is_sqlite:
            self.connection.take_time()

    def save(self, rows: Iterable[IngestionRow]) -> None:
        instance = self.queue.instance
        for row in rows:
            values, moved = row.values()
            self.connection.execute(SAVE_INGESTION[moved], values | {"of_instance": instance, "of_order": row.order})

    def add(self, row: IngestionRow, **more: Any) -> None:
        values, _ = row.values()
        self.connection.execute(ADD_INGESTION, values | more | {"instance": self.queue.instance})

    def write_lanes(self) -> None:
        """Write the changes in waiting batches, so that the lanes can be summed."""
        changes = [
            {"instance": self.queue.instance, "priority": priority, "block": block, "rank": rank, "waiting": by}
            for (priority, block), (rank, by) in sorted(self._lanes.items())
        ]
        if changes:
            self.connection.execute(_LANE_CHANGE[self.connection.is_sqlite], changes)
            self._lanes.clear()
        self.write_callers()

    def write_callers(self) -> None:
        """Write the changes in what waits of each caller, so that it can be read."""
        if self._of_callers:
            write_waiting(self.connection, self.queue, self._of_callers)
            self._of_callers.clear()

    def end(self) -> None:
        """Write the changes in the limiter and the lanes."""
        self.write_lanes()
        if changes := self.queue.changes():
            self.connection.execute(save_queue(tuple(changes)), changes | {"of_instance": self.queue.instance})


class Turns:
    """Hands out turns. Calls that arrive while one is under way join it, or share the next.

    All threads share a commit, which waits for the disk: 2.2 times the batches/s on SQLite, 2.8 on PostgreSQL. One
    thread leads: it does the work of all, then makes the thread that has waited longest the next leader.

    `trouble` is why the latest turn could not be kept, None where it was. Until a turn is kept again, nobody waits for
    one: each may take as long as a lock or a server is waited for, and the callers' threads serve others, too.
    """

    _MOST = 64
    """Most jobs in a turn."""

    def __init__(self, database: Database, instance: Instance) -> None:
        self.served = ServedLog()
        self.trouble: StoreUnavailable | None = None
        self._database = database
        self._instance = instance
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []
        self._leader: _Job | None = None

    def take(self, work: Callable[[Turn], T], *, alone: bool = False) -> T:
        """Returns what `work` returns in its turn.

        `work` must raise Refusal before it changes anything. `alone` keeps slow work out of a shared turn.
        """
        answer: T = self._take(_Job(lambda turn, _: [work(turn)], None, alone))
        return answer

    def share(self, work: Callable[[Turn, Sequence[R]], Sequence[T]], request: R) -> T:
        """Returns what `work` returns for a request; `work` gets all requests that share a turn at once."""
        answer: T = self._take(_Job(work, request, False))
        return answer

    def _take(self, job: _Job) -> Any:
        with self._lock:
            # The leader clears it without the lock.
            if self._leader and (trouble := self.trouble):
                raise _again(trouble)
            self._waiting.append(job)
            if self._leader is None:
                self._call()
        try:
            job.called.acquire()
            if not job.done:
                self._lead(job)
        except BaseException:
            self._leave(job)
            raise
        return job.answer()

    def _call(self) -> None:
        """Make the longest waiting job the leader. Called with the lock held."""
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader:
            self._leader.called.release()

    def _lead(self, own: _Job) -> None:
        jobs = self._next()
        try:
            self._run(jobs, open_to_others=not own.alone)
        finally:
            with self._lock:
                if self.trouble:
                    jobs += self._give_up(self.trouble)
                self._call()
            for job in jobs:
                job.done = True
                if job is not own:
                    job.called.release()

    def _give_up(self, trouble: StoreUnavailable) -> list[_Job]:
        """Refuse all that wait for a turn. Called with the lock held."""
        jobs, self._waiting = self._waiting, []
        for job in jobs:
            job.error = _again(trouble)
        return jobs

    def _leave(self, job: _Job) -> None:
        """Remove a job whose thread was interrupted."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
            if job is self._leader:
                self._call()

    def _next(self, joined: int = 0) -> list[_Job]:
        """Returns the next jobs for a turn, oldest first; `joined` jobs are already in it."""
        count = 0
        with self._lock:
            for job in self._waiting[: self._MOST - joined]:
                if job.alone and joined + count:
                    break
                count += 1
                if job.alone:
                    break
            jobs, self._waiting = self._waiting[:count], self._waiting[count:]
        return jobs

    def _run(self, jobs: list[_Job], *, open_to_others: bool) -> None:
        try:
            self._instance.ready()
            served = self._database.write(lambda wire: self._turn(wire, jobs, open_to_others=open_to_others))
            self.trouble = None
            for job in jobs:
                job.kept = True
            for one, ids in served:
                self.served.add(one, ids)
        except StoreUnavailable as error:
            self.trouble = error
            for job in jobs:
                job.error = _again(error)
        except Exception as error:  # noqa: BLE001 - handed to the caller it belongs to
            # One of them failed; the others must not fail with it.
            if len(jobs) == 1:
                jobs[0].error = error
                return
            for job in jobs:
                self._run([job], open_to_others=False)

    def _turn(self, wire: Wire, jobs: list[_Job], *, open_to_others: bool) -> list[tuple[Served | None, int]]:
        instance = self._instance
        queue, clock = instance.lock(wire)
        turn, served = Turn(wire, queue, clock(), instance.shelf, instance.settings, instance.worker), 0
        while True:
            if open_to_others:
                jobs += self._next(len(jobs))
            together: dict[Any, list[_Job]] = {}
            for job in jobs[served:]:
                together.setdefault(job.work, []).append(job)
            if not together:
                break
            served = len(jobs)
            for group in together.values():
                turn.now = clock()
                _serve(turn, group)
        turn.end()
        if self.trouble:  # for a turn that writes nothing succeeds on a full disk, too
            wire.execute(_WRITE_AGAIN, {"this": queue.instance})
        return turn.served


class _Job:
    """One caller's work and its outcome.

    `called` is released once its thread may continue: to lead, unless the job is `done`. `kept` says that the work is
    committed.
    """

    def __init__(self, work: Callable[[Turn, Sequence[Any]], Sequence[Any]], request: Any, alone: bool) -> None:
        self.work = work
        self.request = request
        self.alone = alone
        self.called = threading.Lock()
        self.called.acquire()
        self.done = False
        self.kept = False
        self.error: Exception | None = None
        self.result: Any = None

    def answer(self) -> Any:
        if self.error is not None:
            raise self.error
        if not self.kept:
            raise StoreUnavailable("The store was interrupted.")
        return self.result


def _serve(turn: Turn, group: Sequence[_Job]) -> None:
    """Run jobs that have the same work."""
    try:
        results = group[0].work(turn, [job.request for job in group])
    except Refusal as error:
        for job in group:
            job.error = error
    else:
        for job, result in zip(group, results, strict=True):
            job.error, job.result = None, result


def _again(trouble: StoreUnavailable) -> StoreUnavailable:
    """Returns the same trouble for another caller: an exception belongs to whoever raises it."""
    return StoreUnavailable(str(trouble), trouble.retry_after)
