"""How they meet: aging, FILL, FRESH, FAIR, several limits, retries and ids that go one by one, in one random schedule.

The model knows who waits since when, whose turn it is, which answers came, what is being asked, and what rides.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.cli.verify import verify
from app.core import WAITING, Claim, Ingestion, Priority
from app.outcomes import Outcome
from app.store import Store
from tests.contract.test_fresh_properties import GONE, SECONDS, WORK, Event, Model
from tests.support.clock import FakeClock
from tests.support.fairness import Fairness
from tests.support.queueing import settings, submit
from tests.support.simulation import BEYOND, BOOM, EPSILON, Place, assert_limits, assert_rate

ARRIVALS = st.lists(
    st.tuples(
        SECONDS,
        st.lists(st.integers(1, 9), min_size=1, max_size=6, unique=True),
        st.sampled_from(Priority),
        st.sampled_from([None, None, 0.0]),
        st.sampled_from("ab"),
    ),
    min_size=2,
    max_size=14,
)


@dataclass
class Everything(Model):
    """Ids that failed alone are not asked again; a batch that goes id by id asks one, and shares no call."""

    fair: Fairness = field(default_factory=lambda: Fairness({}))
    failed: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    alone: set[tuple[str, int]] = field(default_factory=set)
    counted: dict[tuple[str, int], int] = field(default_factory=dict)

    def arrive(self, ids: list[int], priority: Priority, fresh: float | None, owner: str) -> None:
        found = submit(self.store, ids, priority, fresh=fresh if self.is_fresh else None, owner=owner)
        self.ingestions[found.id], self.ids[found.id] = found, ids
        counted = self.settings.fresh if fresh is None or not self.is_fresh else fresh
        self.since[found.id] = found.created_at - (counted or 0.0), found.order - 1
        for position in range(found.batch_count):
            self.waiting[self.place_of(found, position)] = found.id, self.clock.now()

    @property
    def is_fresh(self) -> bool:
        return self.settings.fresh is not None

    def left(self, ingestion_id: str, position: int) -> list[int]:
        failed, own = self.failed.get((ingestion_id, position), set()), (ingestion_id, position)
        told = {one.id for one in self.events if one.by == own}
        if self.is_fresh:
            asked = super().left(ingestion_id, position)
        else:
            size = self.settings.batch_size
            asked = self.ids[ingestion_id][position * size : (position + 1) * size]
        return [one for one in asked if one not in failed and one not in told]

    def must_ask(self, ingestion_id: str, position: int) -> bool:
        left, scope = self.left(ingestion_id, position), self.scope(ingestion_id)
        asks = left[:1] if (ingestion_id, position) in self.alone else left
        busy = {one for asked in self.asked.values() for of, one in asked if of == scope} if self.is_fresh else set()
        return bool(left) and not busy.intersection(asks)

    def place_of(self, ingestion: Ingestion, position: int) -> Place:
        aging = self.settings.priority_aging
        rank = ingestion.created_at + ingestion.priority * aging if aging else float(ingestion.priority)
        return rank, ingestion.order, position

    def place(self, claim: Claim) -> Place:
        return self.place_of(self.ingestions[claim.batch.ingestion_id], claim.batch.position)

    def next_of(self, due: list[Place], first: Place, fair: Fairness, *, to_ride: bool = False) -> Place:
        """Which of the batches that are due goes next, if this one says at which priority."""
        if not self.settings.fair:
            return min(due)
        known = {one.order: one for one in self.ingestions.values()}
        among = [place for place in due if known[place[1]].priority == known[first[1]].priority]
        turn = fair.turn_to_ride if to_ride else fair.turn
        return min(among, key=lambda place: (turn(known[place[1]]), place))

    def firsts(self, due: list[Place]) -> list[Place]:
        """The batches that may say which priority goes: the most urgent, or one before it that will need no call."""
        now, first = self.clock.now(), min(due)
        if not (self.settings.fair and self.settings.priority_aging):
            return [first]
        return [
            place
            for place, (of, since) in self.waiting.items()
            if place == first or (place < first and since <= now + EPSILON and not self.must_ask(of, place[2]))
        ]

    def leads(self, due: list[Place], first: Place) -> bool:
        """Whether anything of its priority has to be asked."""
        known = {one.order: one.priority for one in self.ingestions.values()}
        return any(known[place[1]] == known[first[1]] for place in due)

    def shares(self, place: Place) -> bool:
        """Whether a batch may ride, or others with it: neither in its last attempt nor id by id."""
        key = self.waiting[place][0], place[2]
        return key not in self.alone and self.counted.get(key, 0) + 1 < self.settings.max_attempts

    def check_riders(self, due: list[Place], places: list[Place]) -> None:
        """The next by turn of those that fit ride, by what is left to ask of each."""
        asks = {place: set(self.left(self.waiting[place][0], place[2])) for place in due}
        known = {one.order: one for one in self.ingestions.values()}
        left, riding, fair = set(due) - {places[0]}, places[:1], deepcopy(self.fair)
        fair.take(known[places[0][1]])
        size, ids = self.settings.batch_size, asks[places[0]]
        looks = size - len(ids) + BEYOND if self.settings.fill and self.shares(places[0]) else 0
        while left and looks and len(ids) < size:
            if self.settings.fair and self.settings.priority_aging and self.is_fresh:
                return  # what will need no call may say which priority rides
            place = self.next_of(list(left), min(left), fair, to_ride=True)
            left.remove(place)
            looks -= 1
            if self.shares(place) and len(ids | asks[place]) <= size:
                ids = ids | asks[place]
                riding.append(place)
                fair.ride(known[place[1]])
            elif (self.waiting[place][0], place[2]) not in self.tries:
                if self.is_fresh and any(other[1] == place[1] for other in left):
                    break  # whether they are looked at depends on whether the one before them ever left the line
                left -= {one for one in left if one[1] == place[1] and (self.waiting[one][0], one[2]) not in self.tries}
        else:
            assert places == riding
        assert places[: len(riding)] == riding

    def start(self, call: Claim) -> None:
        now, places = self.clock.now(), [self.place(one) for one in call.all]
        due = [
            place
            for place, (of, since) in self.waiting.items()
            if since <= now + EPSILON and self.must_ask(of, place[2])
        ]
        nexts = [self.next_of(due, first, self.fair) for first in self.firsts(due) if self.leads(due, first)]
        assert places[0] in nexts, "the batch whose turn it is takes the token"
        assert len(set(places)) == len(places)
        assert set(places) <= set(due), "what rides has to be asked, and no id of it is in process elsewhere"
        assert self.settings.fill or len(places) == 1
        ids = {one for claim in call.all for one in claim.batch.ids}
        assert len(ids) <= self.settings.batch_size
        self.check_riders(due, places)
        for claim, place in zip(call.all, places, strict=True):
            batch, key = claim.batch, (claim.batch.ingestion_id, claim.batch.position)
            left = self.left(*key)
            assert batch.ids == (left[:1] if batch.alone else left), "what is known or failed for good is not asked"
            assert not batch.alone or len(places) == 1
            del self.waiting[place]
            self.asked[key] = [(self.scope(batch.ingestion_id), int(one)) for one in batch.ids]
            self.tries[key] = self.tries.get(key, 0) + 1
            (self.fair.take if claim is call else self.fair.ride)(self.ingestions[batch.ingestion_id])
        self.starts.append(now)
        self.running += 1
        self.rode += len(call.riders)
        seconds, ends = self.work[len(self.starts) % len(self.work)]
        tries = max(self.tries[one.batch.ingestion_id, one.batch.position] for one in call.all)
        self.at(now + seconds, lambda: self.end(call, "ack" if tries > 9 else ends))

    def forget_served(self) -> None:
        """What was served without a call has left the line."""
        for of in {of for place, (of, _) in self.waiting.items() if not self.left(of, place[2])}:
            final = [batch.position for batch in self.store.batches(of)[1] if batch.status.final]
            for place in [self.place_of(self.ingestions[of], position) for position in final]:
                self.waiting.pop(place, None)

    def end(self, call: Claim, ends: str) -> None:
        now = self.clock.now()
        if self.is_fresh and self.settings.fair and self.settings.priority_aging:
            self.forget_served()
        self.running -= 1
        bad = {max(int(one) for claim in call.all for one in claim.batch.ids)} if ends == "part" else set()
        for claim in [*call.riders, call]:
            key, answers = (claim.batch.ingestion_id, claim.batch.position), []
            asked = self.asked.pop(key)
            for scope, one in asked:
                if ends in ("ack", "part") and one not in bad:
                    answers.append(str(len(self.events)))
                    self.events.append(Event(one, scope, now, len(self.ingestions), key))
                else:
                    answers.append(GONE)
            outcome = {
                "bury": Outcome.bury(BOOM),
                "retry": Outcome.retry(BOOM, 6.0),
                "release": Outcome.release(),
            }.get(ends) or Outcome.ack(answers)
            (ended,) = self.store.end_together([(claim, outcome)])
            assert ended is not None
            self.counted[key] = claim.batch.attempt - (ends == "release")
            if claim.batch.alone and ends in ("bury", "part"):
                self.failed.setdefault(key, set()).update(one for _, one in asked if ends == "bury" or one in bad)
            if ends == "release" and claim is call:
                self.fair.give_back(self.ingestions[claim.batch.ingestion_id])
            if ended.state == WAITING and ends == "bury":
                self.alone.add(key)
            if ended.state == WAITING and not ended.ingestion.counts.cancelled:
                self.waiting[self.place(claim)] = claim.batch.ingestion_id, now + (6.0 if ends == "retry" else 0.0)


@given(
    arrivals=ARRIVALS,
    cancels=st.lists(st.tuples(SECONDS, st.integers(0, 13)), max_size=3),
    work=st.lists(WORK, min_size=1, max_size=5),
    weights=st.sampled_from(["", "a:3"]),
    limits=st.sampled_from(["", "5/30s burst 2, 40/10min"]),
    fair=st.booleans(),
    fresh=st.sampled_from([None, 0.0, 1000.0]),
    fill=st.booleans(),
    split_failed=st.booleans(),
    priority_aging=st.sampled_from([0.0, 3.0]),
    interval=st.sampled_from([0.5, 5.0]),
    burst=st.integers(1, 3),
    concurrency=st.integers(1, 4),
    batch_size=st.sampled_from([2, 4]),
)
def test_every_id_ends_once_and_no_promise_is_broken(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    cancels: Any,
    work: Any,
    weights: str,
    fresh: float | None,
    **chosen: Any,
) -> None:
    clock.reset()
    chosen |= {"fair_weights": weights if chosen["fair"] else "", "retention": 30 * 86400.0}
    chosen |= {} if fresh is None else {"fresh": fresh}
    made = settings(**chosen)
    model = Everything(new_store(**chosen), clock, made, work, fair=Fairness(dict(made.fair_weights)))
    begin = clock.now()
    for at, *arrival in arrivals:
        model.at(begin + at, lambda arrival=arrival: model.arrive(*arrival))
    for at, which in cancels:
        model.at(begin + at, lambda which=which: model.cancel(which))
    model.run()

    assert_rate(model.starts, made.interval, made.burst)
    assert_limits(model.starts, made.limits)
    store, log = model.store, model.store.dispatches(1000)
    assert sum(one.rode_with is None for one in log) == len(model.starts)
    fair = {one: weight for one, weight in made.fair_weights if weight != 1} if made.fair else None
    assert not verify(log, interval=made.interval, burst=made.burst, limits=made.limits, fair=fair)
    for ingestion_id, ids in model.ids.items():
        after, _ = store.batches(ingestion_id)
        assert after.status.final
        found = list(store.results(ingestion_id, failed=True))
        assert after.counts.cancelled or [one for one, _ in found] == ids
        for one, answer in found:
            if isinstance(answer, str):
                event = model.events[int(answer)]
                assert event.id == one
                assert event.by[0] == ingestion_id or (event.at, event.accepted) > model.since[ingestion_id]
    assert sum(depth.waiting for depth in store.stats().depths.values()) == 0
