"""Runs a store through hours of schedule in milliseconds, against a model that is too simple to be wrong."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.config import Settings
from app.core import Batch, BatchError, Claim, Ingestion, Pauses, Priority, Status, Wait
from app.limits import AnyLimit, Quota
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, finish, proceed, release, retry, submit

BOOM = BatchError("RuntimeError", "boom")
EPSILON = 1e-5
"""The resolution of present-day times as floats."""

_FORWARD = {
    Status.YET_TO_START: 0,
    Status.TRIGGERED: 1,
    Status.COMPLETED: 2,
    Status.FAILED: 2,
    Status.CANCELLED: 2,
}


@dataclass
class Start:
    """One dispatch as the simulation saw it."""

    at: float
    batch: Batch


@dataclass
class Simulation:
    """`work` says how long each dispatch takes and how it ends.

    True: completed, False: failed, a delay: retried, None: put back untouched.
    """

    store: Store
    clock: FakeClock
    settings: Settings
    work: Callable[[Batch], tuple[float, bool | float | None]]
    starts: list[Start] = field(default_factory=list)
    ingestions: list[Ingestion] = field(default_factory=list)
    # The model: every waiting batch, by its place, with the time from which it is due.
    waiting: dict[tuple[float, int, int], float] = field(default_factory=dict)
    # The model of the mean service time: what was put back does not count.
    service: float = 0.0
    # Those that were moved, by their ids.
    priorities: dict[str, Priority] = field(default_factory=dict)
    # What is paused apart from the whole.
    pauses: Pauses = Pauses()  # noqa: RUF009
    _touched: set[str] = field(default_factory=set)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _seen: dict[str, Status] = field(default_factory=dict)
    _running: int = 0
    _count: int = 0

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something at a number of seconds after the start of the clock."""
        self._count += 1
        heapq.heappush(self._events, (seconds, self._count, action))

    def submit(self, ids: range, priority: Priority, owner: str | None = None) -> Ingestion:
        ingestion = submit(self.store, ids, priority, owner=owner)
        self.ingestions.append(ingestion)
        self._touched.add(ingestion.id)
        for position in range(ingestion.batch_count):
            self.waiting[self.place(ingestion, position)] = self.clock.now()
        return ingestion

    def cancel(self, ingestion: Ingestion) -> None:
        self.store.cancel(ingestion.id)
        self._touched.add(ingestion.id)
        for position in range(ingestion.batch_count):
            self.waiting.pop(self.place(ingestion, position), None)

    def move(self, ingestion: Ingestion, priority: Priority) -> None:
        self.store.move(ingestion.id, priority)
        since = [self.waiting.pop(self.place(ingestion, at), None) for at in range(ingestion.batch_count)]
        self.priorities[ingestion.id] = priority
        for position, due in enumerate(since):
            if due is not None:
                self.waiting[self.place(ingestion, position)] = due

    def pause(self, what: Pauses) -> None:
        self.store.pause(what=what)
        self.pauses = self.pauses.add(what)

    def resume(self, what: Pauses) -> None:
        self.store.resume(what=what)
        self.pauses = self.pauses.end(what)

    def is_parked(self, ingestion: Ingestion) -> bool:
        priority = self.priorities.get(ingestion.id, ingestion.priority)
        return priority in self.pauses.priorities or ingestion.owner in self.pauses.owners

    def place(self, ingestion: Ingestion, position: int) -> tuple[float, int, int]:
        aging, priority = self.settings.priority_aging, self.priorities.get(ingestion.id, ingestion.priority)
        rank = ingestion.created_at + priority * aging if aging else float(priority)
        return rank, ingestion.order, position

    def run(self) -> None:
        """Until nothing is left to do."""
        begin = self.clock.now()
        while True:
            answer = self.store.claim(self.settings.concurrency - self._running)
            if isinstance(answer, Wait):
                due = None if answer.seconds is None else self.clock.now() + answer.seconds
                event = begin + self._events[0][0] if self._events else None
                moments = [moment for moment in (due, event) if moment is not None]
                if not moments:
                    self._touched = {ingestion.id for ingestion in self.ingestions}
                    self.check_statuses()
                    assert abs(self.store.stats().service_seconds - self.service) < EPSILON
                    return
                self.clock.advance_to(min(moments))
                while self._events and begin + self._events[0][0] <= self.clock.now():
                    heapq.heappop(self._events)[2]()
                    self.check_statuses()
            else:
                assert len(answer) <= self.settings.concurrency - self._running
                for claim in answer:
                    self._start(claim, begin)
                self.check_statuses()

    def _start(self, claim: Claim, begin: float) -> None:
        now, batch = self.clock.now(), claim.batch
        ingestion = next(one for one in self.ingestions if one.id == batch.ingestion_id)
        place = self.place(ingestion, batch.position)
        parked = {one.order for one in self.ingestions if self.is_parked(one)}
        due = [other for other, since in self.waiting.items() if since <= now + EPSILON and other[1] not in parked]
        assert place == min(due), "the most urgent due batch goes first"
        del self.waiting[place]
        self.starts.append(Start(now, batch))
        self._touched.add(batch.ingestion_id)
        self._running += 1
        seconds, outcome = self.work(batch)

        def end() -> None:
            self._running -= 1
            self._touched.add(batch.ingestion_id)
            if outcome is not None:
                took = self.clock.now() - now
                self.service += (took - self.service) * (0.1 if self.service else 1.0)
            if outcome is True and batch.position % 2:
                # Every other one also claims the next, if it is due.
                after, answer = proceed(self.store, claim, ["true"] * len(batch.ids))
                assert after is not None
                for following in [] if isinstance(answer, Wait) else answer:
                    self._start(following, begin)
            elif outcome is True:
                assert finish(self.store, claim) is not None
            elif outcome is False:
                assert bury(self.store, claim, BOOM) is not None
            else:
                after = release(self.store, claim) if outcome is None else retry(self.store, claim, BOOM, outcome)
                assert after is not None
                if not after.counts.cancelled:
                    self.waiting[self.place(ingestion, batch.position)] = self.clock.now() + (outcome or 0.0)

        self.at(now - begin + seconds, end)

    def check_statuses(self) -> None:
        """Every status only moved forward, and each ingestion's status follows from its batches.

        Of those that something happened to since the last check; once nothing is left to do, of all.
        """
        while self._touched:
            ingestion, batches = self.store.batches(self._touched.pop())
            statuses = [batch.status for batch in batches]
            for batch in batches:
                before = self._seen.get(batch.id, Status.YET_TO_START)
                moved = _FORWARD[batch.status] - _FORWARD[before]
                assert moved > 0 or batch.status == before, f"{before} became {batch.status}"
                self._seen[batch.id] = batch.status
            assert ingestion.status == naive_roll_up(statuses)
            assert (ingestion.finished_at is not None) == ingestion.status.final


def naive_roll_up(statuses: list[Status]) -> Status:
    if all(status == Status.YET_TO_START for status in statuses):
        return Status.YET_TO_START
    if not all(status.final for status in statuses):
        return Status.TRIGGERED
    for status in (Status.CANCELLED, Status.FAILED):
        if status in statuses:
            return status
    return Status.COMPLETED


def assert_limits(times: list[float], limits: Iterable[AnyLimit]) -> None:
    """No window of a limit's length contains more starts than it allows, wherever it begins; nor does a quota's day."""
    for limit in limits:
        if isinstance(limit, Quota):
            resets = [limit.reset(time + EPSILON) for time in times]
            assert all(resets.count(one) <= limit.most for one in resets), f"{limit.name}: {times}"
            continue
        for first in times:
            within = [time for time in times if first <= time < first + limit.period - EPSILON]
            assert len(within) <= limit.most, f"{limit.name}: {within}"


def assert_rate(times: list[float], interval: float, burst: int) -> None:
    """No window of time contains more starts than the bucket had tokens for."""
    for first in range(len(times)):
        for last in range(first + 1, len(times)):
            allowed = burst + (times[last] - times[first]) / interval
            assert last - first + 1 <= allowed + EPSILON / interval, f"{last - first + 1} starts within {times}"
