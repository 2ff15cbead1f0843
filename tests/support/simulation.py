"""Runs a store through hours of schedule in milliseconds, against a model that is too simple to be wrong."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeAlias

from app.config import Settings
from app.core import Batch, BatchError, Claim, Ingestion, Pauses, Priority, Status, Wait
from app.limits import AnyLimit, Quota
from app.outcomes import Outcome
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.fairness import Fairness
from tests.support.queueing import bury, finish, proceed, release, retry, submit

BOOM = BatchError("RuntimeError", "boom")
EPSILON = 1e-5
"""The resolution of present-day times as floats."""

Place: TypeAlias = tuple[float, int, int]
Spot: TypeAlias = tuple[int, int]
BEYOND = 8
"""How many batches more than would fit are looked at."""

_FORWARD = {
    Status.YET_TO_START: 0,
    Status.TRIGGERED: 1,
    Status.COMPLETED: 2,
    Status.FAILED: 2,
    Status.CANCELLED: 2,
}


@dataclass
class Start:
    """One dispatch as the simulation saw it; one that rides took no token."""

    at: float
    batch: Batch
    rides: bool = False


@dataclass
class Simulation:
    """`work` says how long each dispatch takes and how it ends.

    True: completed, False: failed, a delay: retried, None: put back untouched.
    """

    store: Store
    clock: FakeClock
    settings: Settings
    work: Callable[[Batch], tuple[float, bool | float | None]]
    fair: Fairness = field(init=False)
    starts: list[Start] = field(default_factory=list)
    ingestions: list[Ingestion] = field(default_factory=list)
    # The model: every waiting batch, by its place, with the time from which it is due.
    waiting: dict[Place, float] = field(default_factory=dict)
    # The model of the mean service time: what was put back does not count.
    service: float = 0.0
    # Those that were moved, by their ids.
    priorities: dict[str, Priority] = field(default_factory=dict)
    # What is paused apart from the whole.
    pauses: Pauses = Pauses()  # noqa: RUF009
    # The model of what rides, by order and position: the ids, the attempts that counted, and what was ever started.
    _ids: dict[Spot, list[int]] = field(default_factory=dict)
    _tried: dict[Spot, int] = field(default_factory=dict)
    _begun: set[Spot] = field(default_factory=set)
    _touched: set[str] = field(default_factory=set)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _seen: dict[str, Status] = field(default_factory=dict)
    _running: int = 0
    _count: int = 0

    def __post_init__(self) -> None:
        self.fair = Fairness(dict(self.settings.fair_weights))

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
            self._ids[ingestion.order, position] = list(ids[position * ingestion.batch_size :][: ingestion.batch_size])
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

    @property
    def retrying(self) -> set[Place]:
        """The waiting batches that failed before."""
        return {place for place in self.waiting if self._tried.get(place[1:])}

    def current(self, ingestion: Ingestion) -> Ingestion:
        """An ingestion at the priority that it was moved to."""
        return ingestion._replace(priority=self.priorities.get(ingestion.id, ingestion.priority))

    def is_parked(self, ingestion: Ingestion) -> bool:
        return self.current(ingestion).priority in self.pauses.priorities or ingestion.owner in self.pauses.owners

    def place(self, ingestion: Ingestion, position: int) -> Place:
        aging, priority = self.settings.priority_aging, self.current(ingestion).priority
        rank = ingestion.created_at + priority * aging if aging else float(priority)
        return rank, ingestion.order, position

    def next_of(self, due: list[Place], fair: Fairness, *, to_ride: bool = False) -> Place:
        """Which of the batches that are due goes next."""
        first = min(due)
        if not self.settings.fair:
            return first
        known = {ingestion.order: self.current(ingestion) for ingestion in self.ingestions}
        among = [place for place in due if known[place[1]].priority == known[first[1]].priority]
        turn = fair.turn_to_ride if to_ride else fair.turn
        return min(among, key=lambda place: (turn(known[place[1]]), place))

    def _known(self, place: Place) -> Ingestion:
        return next(one for one in self.ingestions if one.order == place[1])

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
        places = [self._place_of(one.batch) for one in claim.all]
        parked = {one.order for one in self.ingestions if self.is_parked(one)}
        due = [other for other, since in self.waiting.items() if since <= now + EPSILON and other[1] not in parked]
        assert places[0] == self.next_of(due, self.fair), "the most urgent due batch goes first"
        riding = self._riding(due)
        assert places[1:] == riding, "the most urgent of those that fit ride along"
        begun = [self._begin(*one, rides=bool(nth)) for nth, one in enumerate(zip(claim.all, places, strict=True))]
        (seconds, outcome), *others = begun
        ingestion, place = self._known(places[0]), places[0]
        self._running += 1

        def end() -> None:
            self._running -= 1
            for rider, at, (_, ends) in zip(claim.riders, places[1:], others, strict=True):
                self._end_rider(rider, at, ends)
            self._touched.add(batch.ingestion_id)
            self._tried[place[1:]] = batch.attempt - (outcome is None)
            if outcome is not None:
                took = self.clock.now() - now
                ended = max(1, len(self.starts) - self._running)
                self.service += (took - self.service) * (max(0.1, 1 / ended) if self.service else 1.0)
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
                if outcome is None:
                    self.fair.give_back(ingestion._replace(priority=batch.priority))
                if not after.counts.cancelled:
                    self.waiting[self.place(ingestion, batch.position)] = self.clock.now() + (outcome or 0.0)

        self.at(now - begin + seconds, end)

    def _place_of(self, batch: Batch) -> Place:
        return self.place(next(one for one in self.ingestions if one.id == batch.ingestion_id), batch.position)

    def _riding(self, due: list[Place]) -> list[Place]:
        """What rides with the first of the due batches: of each ingestion, only the next one is looked at."""
        leader, size = self.next_of(due, self.fair), self.settings.batch_size
        ids = set(self._ids[leader[1:]])
        if not self.settings.fill or len(ids) >= size or not self._shares(leader):
            return []
        fair = deepcopy(self.fair)
        fair.take(self.current(self._known(leader)))
        left, riding = [place for place in due if place != leader], list[Place]()
        looks = size - len(ids) + BEYOND
        while left and looks and len(ids) < size:
            place = self.next_of(left, fair, to_ride=True)
            left.remove(place)
            looks -= 1
            if self._shares(place) and len(ids.union(self._ids[place[1:]])) <= size:
                ids.update(self._ids[place[1:]])
                riding.append(place)
                fair.ride(self.current(self._known(place)))
            elif place[1:] not in self._begun:
                left = [other for other in left if other[1] != place[1] or other[1:] in self._begun]
        return riding

    def _shares(self, place: Place) -> bool:
        return self._tried.get(place[1:], 0) + 1 < self.settings.max_attempts

    def _begin(self, claim: Claim, place: Place, *, rides: bool) -> tuple[float, bool | float | None]:
        del self.waiting[place]
        self._begun.add(place[1:])
        (self.fair.ride if rides else self.fair.take)(self.current(self._known(place)))
        self.starts.append(Start(self.clock.now(), claim.batch, rides))
        self._touched.add(claim.batch.ingestion_id)
        return self.work(claim.batch)

    def _end_rider(self, claim: Claim, place: Place, ends: bool | float | None) -> None:
        ingestion = self._known(place)
        self._touched.add(claim.batch.ingestion_id)
        self._tried[place[1:]] = claim.batch.attempt - (ends is None)
        if ends is True:
            outcome = Outcome.ack(["true"] * len(claim.batch.ids))
        elif ends is False:
            outcome = Outcome.bury(BOOM)
        else:
            outcome = Outcome.release() if ends is None else Outcome.retry(BOOM, ends)
        (ended,) = self.store.end_together([(claim, outcome)])
        assert ended is not None
        if not isinstance(ends, bool) and not ended.ingestion.counts.cancelled:
            self.waiting[self.place(ingestion, claim.batch.position)] = self.clock.now() + (ends or 0.0)

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
