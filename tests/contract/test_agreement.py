"""Memory and a database answer alike, whatever is asked of them: one random script for both."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import BatchError, Claim, Pauses, Priority, Rates, Wait
from app.errors import Conflict, Refusal
from app.outcomes import Outcome
from app.store import Store
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.queueing import settings, submit
from tests.support.simulation import BOOM

EXAMPLES = {"sqlite": 25, "postgresql": 6}
"""How many scripts each database is given."""

PRIORITIES, OWNERS, WHICH = st.sampled_from(Priority), st.sampled_from([None, "ann", "bob"]), st.integers(0, 9)
PAUSES = [Pauses(), Pauses(frozenset({Priority.HIGH})), Pauses(frozenset(), frozenset({"ann"}))]
OUTCOMES: dict[str, Callable[[Claim], Outcome]] = {
    "answered": lambda claim: Outcome.ack([f'"of {one}"' for one in claim.batch.ids]),
    "in part": lambda claim: Outcome.ack([BatchError("Gone", ""), *["1"] * (len(claim.batch.ids) - 1)]),
    "at once": lambda _: Outcome.retry(BOOM, 0.0),
    "later": lambda _: Outcome.retry(BOOM, 6.3),
    "failed": lambda _: Outcome.bury(BOOM),
    "put back": lambda _: Outcome.release(),
    "put back for long": lambda _: Outcome.release(9.1),
}
SUBMITS = st.tuples(
    st.just("submit"),
    st.lists(st.integers(1, 9), min_size=1, max_size=7),
    PRIORITIES,
    OWNERS,
    st.sampled_from([None, None, 0.0]),
)
STEPS = st.one_of(
    SUBMITS,
    SUBMITS,
    st.tuples(st.just("claim"), st.integers(1, 3)),
    st.tuples(st.just("claim"), st.integers(1, 3)),
    st.tuples(st.just("end"), WHICH, st.sampled_from(list(OUTCOMES))),
    st.tuples(st.just("end"), WHICH, st.sampled_from(list(OUTCOMES))),
    st.tuples(st.just("advance"), st.sampled_from([0.7, 5.0, 31.0])),
    st.tuples(st.sampled_from(["cancel", "redrive"]), WHICH),
    st.tuples(st.just("move"), WHICH, PRIORITIES),
    st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from(PAUSES)),
    st.tuples(st.just("hold")),
    st.tuples(st.just("rate"), st.sampled_from([Rates(), Rates(interval=2.0), Rates(interval=30.0)])),
)
SETTINGS = st.fixed_dictionaries(
    {
        "interval": st.sampled_from([0.0, 5.0, 5.0]),
        "burst": st.integers(1, 3),
        "batch_size": st.sampled_from([1, 3]),
        "fill": st.booleans(),
        "fair": st.booleans(),
        "split_failed": st.booleans(),
        "priority_aging": st.sampled_from([0.0, 0.0, 10.0]),
        "key_quota": st.sampled_from([0, 0, 12]),
        "limits": st.sampled_from(["", "", "4/10s burst 2"]),
        "max_attempts": st.just(4),
    },
    optional={"fresh": st.sampled_from([0, 20])},
)


class Side:
    """A store, with its ingestions by number."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ids: list[str] = []
        self.claims: list[Claim] = []

    def do(self, verb: str, *given: Any) -> Any:
        """Do one step of the script; returns what is answered."""
        try:
            return getattr(self, f"_{verb}")(*given)
        except (Refusal, Conflict) as error:
            return type(error).__name__, getattr(error, "retry_after", None)

    def seen(self) -> dict[str, Any]:
        """Everything that can be asked, with numbers in place of ids."""
        store = self.store
        stats = store.stats()._replace(accuracy=None)
        return {
            "stats": stats._asdict() | {"rates": None, "depths": [*stats.depths.items()]},
            "upcoming": [(self._of(batch), start) for batch, start in store.upcoming(5)],
            "callers": store.callers(9),
            "listed": [self.ids.index(one.id) for one in store.ingestions()],
            "failures": [one._replace(ingestion_id=self.ids.index(one.ingestion_id)) for one in store.failures()],
            "ingestions": [self._status(one) for one in self.ids],
        }

    def _status(self, ingestion_id: str) -> Any:
        ingestion, estimate, batches = self.store.status(ingestion_id)
        results = list(self.store.results(ingestion_id, failed=True))
        return ingestion._replace(id=""), estimate, list(map(self._of, batches)), results

    def _of(self, batch: Any) -> Any:
        return batch._replace(ingestion_id=self.ids.index(batch.ingestion_id))

    def _submit(self, ids: list[int], priority: Priority, owner: str | None, fresh: float | None) -> Any:
        ingestion = submit(self.store, ids, priority, owner=owner, fresh=fresh)
        self.ids.append(ingestion.id)
        return ingestion._replace(id="")

    def _claim(self, limit: int) -> Any:
        # As the worker does, which looks again at once: how far one look goes is each store's own.
        claims: list[Claim] = []
        while not isinstance(answer := self.store.claim(limit - len(claims)), Wait) and answer:
            claims += answer
        if not claims:
            return answer
        self.claims += claims
        return [[self._of(one.batch) for one in claim.all] for claim in claims]

    def _end(self, which: int, how: str) -> None:
        if self.claims:
            claim = self.claims.pop(which % len(self.claims))
            self.store.end_together([(one, OUTCOMES[how](one)) for one in claim.all])

    def _cancel(self, which: int) -> None:
        if self.ids:
            self.store.cancel(self.ids[which % len(self.ids)])

    def _redrive(self, which: int) -> None:
        if self.ids:
            self.store.redrive(self.ids[which % len(self.ids)])

    def _move(self, which: int, priority: Priority) -> None:
        if self.ids:
            self.store.move(self.ids[which % len(self.ids)], priority)

    def _pause(self, what: Pauses) -> None:
        self.store.pause(what=what)

    def _resume(self, what: Pauses) -> None:
        self.store.resume(what=what)

    def _hold(self) -> None:
        self.store.hold(7.0)

    def _rate(self, rates: Rates) -> None:
        self.store.change_rates(rates)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('agreement')}/ingest.db"
    address: str = request.getfixturevalue("postgres").url
    return address


@pytest.fixture
def pair(database: str, clock: FakeClock) -> Iterator[Callable[..., list[Side]]]:
    """Makes a store in memory and an empty one in a database, with the same settings."""
    numbers, stores = itertools.count(), list[Store]()

    def make(**chosen: Any) -> list[Side]:
        for store in stores:
            store.close()
        name = f"agreement{next(numbers)}"
        common = {"store_poll": 0, "retention": 1e8} | chosen
        stores[:] = [open_store(settings(store=address, **common), clock, name) for address in ("memory://", database)]
        return list(map(Side, stores))

    yield make
    for store in stores:
        store.close()


@given(chosen=SETTINGS, script=st.lists(STEPS, min_size=12, max_size=40))
def test_a_database_answers_as_the_memory_does(
    pair: Callable[..., list[Side]], clock: FakeClock, chosen: dict[str, Any], script: list[tuple[Any, ...]]
) -> None:
    clock.reset()
    sides = pair(**chosen)
    for step in script:
        if step[0] == "advance":
            clock.advance(step[1])
        else:
            ours, theirs = (rounded(side.do(*step)) for side in sides)
            assert ours == theirs, step
        if "fresh" in chosen:
            for side in sides:
                side.store.claim(0)  # how far a claim looks ahead is each store's own
        ours, theirs = (rounded(side.seen()) for side in sides)
        for what, told in ours.items():
            assert told == theirs[what], (step, what)


def rounded(value: Any) -> Any:
    """The value with its times to the microsecond, which is as far as floats in another order agree."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return value
