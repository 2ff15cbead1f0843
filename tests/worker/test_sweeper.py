"""The sweeper: it goes on where another was, survives trouble, and stops between two steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.core import BatchError, Ingestion, Status, Sweep, SweepFilter
from app.errors import StoreUnavailable
from app.memory import MemoryStore
from app.worker import Sweeper
from tests.support.clock import FakeClock
from tests.support.host import BOUND, eventually
from tests.support.queueing import bury, claimed, settings, submit

ALL = Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 0)


class Told:
    """What a sweeper says that it did; `hold` makes it wait there."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, _verb: str, ingestions: list[Ingestion]) -> None:
        self.ids += [one.id for one in ingestions]
        self.entered.set()
        self.go_on.wait(BOUND)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    store = MemoryStore(settings(interval=0, batch_size=1), clock)
    for _ in range(60):
        submit(store, [1])
        bury(store, claimed(store)[0], BatchError("E", "boom"))
    return store


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def sweeper(store: MemoryStore, clock: FakeClock, told: Told) -> Iterator[Sweeper]:
    sweeper = Sweeper("test", store, clock, told)
    yield sweeper
    told.go_on.set()
    sweeper.stop(BOUND)


def test_one_that_stops_lets_another_go_on(store: MemoryStore, clock: FakeClock, told: Told, sweeper: Sweeper) -> None:
    store.sweeps.add(ALL)
    told.go_on.clear()
    sweeper.start()
    assert told.entered.wait(BOUND)
    stopping = threading.Thread(target=sweeper.stop, args=(BOUND,))
    stopping.start()
    eventually(sweeper._stopping.is_set)
    told.go_on.set()
    stopping.join(BOUND)
    assert len(told.ids) == 25
    again = Sweeper("other", store, clock, told)
    again.start()
    eventually(lambda: store.sweeps.latest(1)[0].finished_at is not None)
    again.stop(BOUND)
    assert len(told.ids) == len(set(told.ids)) == store.sweeps.latest(1)[0].acted == 60


def test_it_outlives_a_store_that_is_away(
    store: MemoryStore, told: Told, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, tried = store.sweeps.claim, threading.Event()

    def away(_: float) -> None:
        tried.set()
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(store.sweeps, "claim", away)
    store.sweeps.add(ALL)
    sweeper.start()
    assert tried.wait(BOUND)
    monkeypatch.setattr(store.sweeps, "claim", claim)
    sweeper.start()
    eventually(lambda: len(told.ids) == 60)


def test_it_starts_again_after_a_stop(store: MemoryStore, told: Told, sweeper: Sweeper) -> None:
    sweeper.start()
    sweeper.stop(BOUND)
    store.sweeps.add(ALL)
    sweeper.start()
    eventually(lambda: len(told.ids) == 60)
