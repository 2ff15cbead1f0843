"""The promises of FRESH over random schedules: nothing is asked twice, and every id ends once, with a fresh answer.

With FILL too, calls take along what is left to ask of others.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from app.cli.verify import verify
from app.config import Settings
from app.core import BatchError, Claim, Ingestion, Priority, Status, Wait
from app.outcomes import Outcome
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import settings, submit
from tests.support.simulation import BEYOND, BOOM, EPSILON, Place, assert_rate

GONE = BatchError("Failed", "no such record")
SECONDS = st.integers(0, 120).map(float)
IDS = st.lists(st.integers(1, 7), min_size=1, max_size=6)
ARRIVALS = st.lists(
    st.tuples(SECONDS, IDS, st.sampled_from(Priority), st.sampled_from([None, None, 0.0, 7.0]), st.sampled_from("ab")),
    min_size=2,
    max_size=14,
)
WORK = st.tuples(
    st.sampled_from([0.0, 3.0, 20.0]), st.sampled_from(["ack", "ack", "ack", "part", "bury", "retry", "release"])
)


class Event(NamedTuple):
    """An answer: to which id, for whom, when, after how many submissions, and by which batch."""

    id: int
    scope: str
    at: float
    accepted: int
    by: tuple[str, int]


@dataclass
class Model:
    """Every waiting batch with the time from which it is due, every answer, and who asks what."""

    store: Store
    clock: FakeClock
    settings: Settings
    work: Sequence[tuple[float, str]]
    ingestions: dict[str, Ingestion] = field(default_factory=dict)
    ids: dict[str, list[int]] = field(default_factory=dict)
    since: dict[str, tuple[float, int]] = field(default_factory=dict)
    waiting: dict[Place, tuple[str, float]] = field(default_factory=dict)
    own: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: dict[tuple[str, int], list[tuple[str, int]]] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    running: int = 0
    rode: int = 0
    tries: dict[tuple[str, int], int] = field(default_factory=dict)
    _schedule: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def at(self, moment: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._schedule, (moment, self._count, action))

    def scope(self, ingestion_id: str) -> str:
        owner = self.ingestions[ingestion_id].owner
        return "" if self.settings.fresh_shared or owner is None else owner

    def arrive(self, ids: list[int], priority: Priority, fresh: float | None, owner: str) -> None:
        found = submit(self.store, ids, priority, fresh=fresh, owner=owner)
        self.ingestions[found.id], self.ids[found.id] = found, ids
        counted = self.settings.fresh if fresh is None else fresh
        assert counted is not None
        self.since[found.id] = found.created_at - counted, found.order - 1
        for position in range(found.batch_count):
            self.waiting[priority, found.order, position] = found.id, self.clock.now()

    def cancel(self, which: int) -> None:
        for one in list(self.ingestions.values())[which : which + 1]:
            if not self.store.get(one.id).status.final:
                self.store.cancel(one.id)
                for place in [place for place, (owner, _) in self.waiting.items() if owner == one.id]:
                    del self.waiting[place]

    def left(self, ingestion_id: str, position: int) -> list[int]:
        """The ids of a batch that nothing fresh is known of."""
        size, scope, since = self.settings.batch_size, self.scope(ingestion_id), self.since[ingestion_id]
        fresh = {one.id for one in self.events if one.scope == scope and (one.at, one.accepted) > (since[0], since[1])}
        of_batch = self.ids[ingestion_id][position * size : (position + 1) * size]
        return [one for one in of_batch if one not in fresh]

    def must_ask(self, ingestion_id: str, position: int) -> bool:
        left, scope = self.left(ingestion_id, position), self.scope(ingestion_id)
        busy = {one for asked in self.asked.values() for of, one in asked if of == scope}
        return bool(left) and not busy.intersection(left)

    def start(self, call: Claim) -> None:
        now, places = self.clock.now(), [self.place(one) for one in call.all]
        due = sorted(
            place
            for place, (of, since) in self.waiting.items()
            if since <= now + EPSILON and self.must_ask(of, place[2])
        )
        assert due, "nothing has to be asked"
        assert places[0] == due[0], "the most urgent batch that has to be asked, and may be, goes first"
        assert places == sorted(places)
        assert set(places) <= set(due), "what rides has to be asked, and no id of it is in process elsewhere"
        for batch in (claim.batch for claim in call.all):
            left = self.left(batch.ingestion_id, batch.position)
            assert batch.ids == left, "no id is asked of which a fresh answer came"
        self.check_riders(due, places)
        for claim, place in zip(call.all, places, strict=True):
            batch, key = claim.batch, (claim.batch.ingestion_id, claim.batch.position)
            del self.waiting[place]
            self.asked[key] = [(self.scope(batch.ingestion_id), int(one)) for one in batch.ids]
            self.tries[key] = self.tries.get(key, 0) + 1
        self.starts.append(now)
        self.running += 1
        self.rode += len(call.riders)
        seconds, ends = self.work[len(self.starts) % len(self.work)]
        tries = max(self.tries[one.batch.ingestion_id, one.batch.position] for one in call.all)
        # Eventually everything succeeds, or the schedule would never end.
        self.at(now + seconds, lambda: self.end(call, "ack" if tries > 3 else ends))

    def place(self, claim: Claim) -> Place:
        batch = claim.batch
        return batch.priority, self.ingestions[batch.ingestion_id].order, batch.position

    def check_riders(self, due: list[Place], places: list[Place]) -> None:
        """The most urgent of those that fit ride, by what is left to ask of each."""
        left = {place: set(self.left(self.waiting[place][0], place[2])) for place in due}
        size, ids = self.settings.batch_size, set(left[due[0]])
        assert len(ids.union(*(left[place] for place in places))) <= size or len(places) == 1
        if not self.settings.fill:
            assert len(places) == 1
            return
        looks, passed, riding = size - len(ids) + BEYOND, set[tuple[float, int]](), places[:1]
        for place in due[1:]:
            if len(ids) >= size or not looks:
                assert places == riding
                return
            if place[:2] in passed:
                return  # whether it is looked at depends on whether the one before it ever left the line
            looks -= 1
            if len(ids | left[place]) <= size:
                ids |= left[place]
                riding.append(place)
            else:
                passed.add(place[:2])
            assert place not in places or place in riding
        assert places == riding

    def end(self, call: Claim, ends: str) -> None:
        now, asked = self.clock.now(), {int(one) for claim in call.all for one in claim.batch.ids}
        bad = {max(asked)} if ends == "part" else set()
        self.running -= 1
        told = []
        for claim in call.all:
            key, answers = (claim.batch.ingestion_id, claim.batch.position), list[str | BatchError]()
            for scope, one in self.asked.pop(key):
                if ends in ("ack", "part") and one not in bad:
                    answers.append(str(len(self.events)))
                    self.events.append(Event(one, scope, now, len(self.ingestions), key))
                else:
                    answers.append(GONE)
            told.append(
                {
                    "ack": Outcome.ack(answers),
                    "part": Outcome.ack(answers),
                    "bury": Outcome.bury(BOOM),
                    "retry": Outcome.retry(BOOM, 6.0),
                    "release": Outcome.release(),
                }[ends]
            )
        *riders, leader = [*zip(call.riders, told[1:], strict=True), (call, told[0])]
        after = [*self.store.end_together(riders), self.store.end(*leader)]
        for claim, ended in zip([*call.riders, call], after, strict=True):
            assert ended is not None
            if ends in ("retry", "release") and not ended.ingestion.counts.cancelled:
                due = now + (6.0 if ends == "retry" else 0.0)
                self.waiting[self.place(claim)] = claim.batch.ingestion_id, due

    def run(self) -> None:
        idle = 0
        while True:
            answer = self.store.claim(self.settings.concurrency - self.running)
            if not isinstance(answer, Wait):
                for claim in answer:
                    self.start(claim)
                continue
            idle = idle + 1 if answer.seconds == 0 else 0
            assert idle < 100, "it never says how long to wait"
            due = [] if answer.seconds is None else [self.clock.now() + answer.seconds]
            moments = due + [moment for moment, *_ in self._schedule[:1]]
            if not moments:
                assert answer.reason == "empty", answer
                return
            self.clock.advance_to(min(moments))
            while self._schedule and self._schedule[0][0] <= self.clock.now():
                heapq.heappop(self._schedule)[2]()


@given(
    arrivals=ARRIVALS,
    cancels=st.lists(st.tuples(SECONDS, st.integers(0, 13)), max_size=3),
    work=st.lists(WORK, min_size=1, max_size=5),
    fresh=st.sampled_from([0.0, 10.0, 1000.0]),
    shared=st.booleans(),
    interval=st.sampled_from([0.5, 5.0]),
    burst=st.integers(1, 3),
    concurrency=st.integers(1, 4),
    fill=st.booleans(),
    batch_size=st.sampled_from([2, 4]),
)
def test_no_id_is_asked_twice_and_each_ends_once_with_an_answer_that_is_fresh(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    cancels: Any,
    work: Any,
    fresh: float,
    shared: bool,
    **chosen: Any,
) -> None:
    clock.reset()
    chosen |= {"fresh": fresh, "fresh_shared": shared, "key_quota": 1000}
    model = Model(new_store(**chosen), clock, settings(**chosen), work)
    begin = clock.now()
    for at, *arrival in arrivals:
        model.at(begin + at, lambda arrival=arrival: model.arrive(*arrival))
    for at, which in cancels:
        model.at(begin + at, lambda which=which: model.cancel(which))
    model.run()

    assert_rate(model.starts, chosen["interval"], chosen["burst"])
    store = model.store
    log = store.dispatches(1000)
    assert len(log) == len(model.starts) + model.rode
    assert sum(one.rode_with is None for one in log) == len(model.starts)
    assert not verify(log, interval=chosen["interval"], burst=chosen["burst"])
    announced = [(one.batch.ingestion_id, one.batch.position) for one in store.served.take()]
    assert len(announced) == len(set(announced))
    spared, total = 0, 0
    for ingestion_id, ids in model.ids.items():
        after, batches = store.batches(ingestion_id)
        assert after.status.final
        found = list(store.results(ingestion_id, failed=True))
        if not after.counts.cancelled:
            assert [one for one, _ in found] == ids
        served = 0
        for nth, (one, answer) in enumerate(found):
            if isinstance(answer, str):
                event = model.events[int(answer)]
                assert (event.id, event.scope) == (one, model.scope(ingestion_id))
                assert (event.at, event.accepted) > model.since[ingestion_id]
                own = event.by == (ingestion_id, nth // chosen["batch_size"]) if not after.counts.cancelled else None
                served += own is False
        if not after.counts.cancelled:
            assert after.served == served
        total += after.served or 0
        spared += sum(batch.attempt == 0 and batch.status is Status.COMPLETED for batch in batches)
        assert all(batch.attempt == 0 for batch in batches if (ingestion_id, batch.position) not in model.tries)
    assert store.served.ids == total
    assert store.served.batches >= spared
    assert sum(depth.waiting for depth in store.stats().depths.values()) == 0
    for owner in "ab":
        submit(store, range(100, 1100), owner=owner)  # nothing of theirs is counted any more
