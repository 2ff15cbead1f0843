"""The sweeper: it goes on where another was, survives trouble, and stops between two steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from app.core import BatchError, Status, Sweep, SweepFilter
from app.errors import StoreUnavailable
from app.memory import MemoryStore
from app.signals import Emitter
from app.worker import Sweeper
from tests.support.clock import FakeClock
from tests.support.host import BOUND, eventually
from tests.support.queueing import bury, claimed, settings, submit

ALL = Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 0)


class Told:
    """What a sweeper has redriven, noted after each step; without `go_on` it waits there."""

    def __init__(self) -> None:
        self.steps = 0
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self) -> None:
        self.steps += 1
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
    sweeper = Sweeper("test", store, 60.0, clock, Emitter("test", Flask("test")), told)
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
    assert (store.sweeps.latest(1)[0].acted, told.steps) == (25, 1)
    again = Sweeper("other", store, 60.0, clock, Emitter("test", Flask("test")), told)
    again.start()
    eventually(lambda: store.sweeps.latest(1)[0].finished_at is not None)
    again.stop(BOUND)
    assert store.sweeps.latest(1)[0].acted == 60


def test_it_may_be_stopped_from_its_own_thread(store: MemoryStore, clock: FakeClock) -> None:
    own = Sweeper("test", store, 60.0, clock, Emitter("test", Flask("test")), lambda: own.stop(BOUND))
    store.sweeps.add(ALL)
    own.start()
    eventually(lambda: store.sweeps.latest(1)[0].acted == 25 and own._thread is None)
    # It put the sweep back, so that nobody has to wait for its lease.
    assert store.sweeps.latest(1)[0].lease_until == 0.0


def test_once_woken_it_looks_and_waits_again(
    store: MemoryStore, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, looks = store.sweeps.claim, []

    def counted(lease: float) -> Sweep | float | None:
        looks.append(lease)
        return claim(lease)

    monkeypatch.setattr(store.sweeps, "claim", counted)
    for woken in (1, 2, 3):
        sweeper.start()
        eventually(lambda woken=woken: len(looks) >= woken)  # type: ignore[misc]
    threading.Event().wait(0.05)
    assert len(looks) == 3


def test_it_outlives_a_store_that_is_away(
    store: MemoryStore, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
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
    eventually(lambda: store.sweeps.latest(1)[0].acted == 60)


def test_it_starts_again_after_a_stop(store: MemoryStore, sweeper: Sweeper) -> None:
    sweeper.start()
    sweeper.stop(BOUND)
    store.sweeps.add(ALL)
    sweeper.start()
    eventually(lambda: store.sweeps.latest(1)[0].acted == 60)
