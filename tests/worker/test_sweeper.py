"""The sweeper: it goes on where another was, survives trouble, and stops between two steps."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from flask import Flask

from app.core import BatchError, Ingestion, Status, Sweep, SweepFilter
from app.errors import StoreUnavailable
from app.memory import MemoryStore
from app.signals import Emitter, ingestion_finished
from app.worker import Sweeper
from tests.support.clock import FakeClock, Waits
from tests.support.host import BOUND, eventually
from tests.support.queueing import bury, claimed, settings, submit

ALL = Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 0)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "test-sweeper"]


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
def clock() -> Waits:
    return Waits("test-sweeper")


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


def test_once_woken_it_looks_and_waits_again(clock: Waits, sweeper: Sweeper) -> None:
    for woken in (1, 2, 3):
        sweeper.start()
        eventually(lambda woken=woken: len(clock.noted) >= woken)  # type: ignore[misc]
    assert clock.noted == [(False, None)] * 3


def test_it_outlives_a_store_that_is_away(
    store: MemoryStore,
    clock: Waits,
    sweeper: Sweeper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(_: float) -> None:
        raise StoreUnavailable("the database is away")

    def said() -> list[str]:
        return re.findall(r"sweeps wait for the store, next try in (\S+) s: the database is away", caplog.text)

    store.sweeps.add(ALL)
    with monkeypatch.context() as patch:
        patch.setattr(store.sweeps, "claim", away)
        sweeper.start()
        for number, seconds in enumerate([0.5, 1, 2, 4, 8, 10, 10], 1):
            eventually(lambda number=number: len(clock.noted) == number)  # type: ignore[misc]
            assert clock.latest == (False, seconds)
            clock.advance(seconds)
        eventually(lambda: len(said()) == 8)
    assert said()[:7] == ["0.5", "1", "2", "4", "8", "10", "10"]
    clock.advance(10)
    eventually(lambda: clock.latest == (False, None))
    assert store.sweeps.latest(1)[0].acted == 60
    monkeypatch.setattr(store.sweeps, "claim", away)
    sweeper.start()
    eventually(lambda: clock.latest == (False, 0.5))


def test_one_that_breaks_off_is_logged_and_goes_on_after_its_lease(
    store: MemoryStore,
    clock: Waits,
    sweeper: Sweeper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a planted bug")

    store.sweeps.add(ALL)
    with monkeypatch.context() as patch:
        patch.setattr(store.sweeps, "act", broken)
        sweeper.start()
        eventually(lambda: clock.latest == (False, 10))
    assert "one of the sweeps of 'test' broke off" in caplog.text
    clock.advance(10)
    eventually(lambda: clock.latest == (False, 50))
    clock.advance(50)
    eventually(lambda: store.sweeps.latest(1)[0].acted == 60)


def test_what_another_works_on_is_looked_at_once_its_lease_is_over(
    store: MemoryStore, clock: Waits, sweeper: Sweeper
) -> None:
    store.sweeps.add(ALL)
    store.sweeps.claim(25)
    sweeper.start()
    eventually(lambda: clock.latest == (False, 25))
    clock.advance(25)
    eventually(lambda: clock.latest == (False, None))
    assert store.sweeps.latest(1)[0].acted == 60


def test_one_after_the_other_without_a_wait(
    store: MemoryStore, clock: Waits, sweeper: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    store.sweeps.add(ALL)
    store.sweeps.add(ALL._replace(id="t", verb="cancel"))
    sweeper.start()
    eventually(lambda: clock.latest == (False, None))
    assert [seconds for _, seconds in clock.noted] == [0, 0, None]
    assert [record.getMessage() for record in caplog.records] == [
        "redrive of 'test': 60 ingestions",
        "cancel of 'test': 0 ingestions",
    ]


def test_the_end_of_what_is_cancelled_is_told_but_not_of_what_runs(
    store: MemoryStore, clock: Waits, sweeper: Sweeper
) -> None:
    told: list[str] = []

    def finished(_: Flask, ingestion: Ingestion, **__: Any) -> None:
        told.append(ingestion.id)

    runs = submit(store, [1, 2])
    claimed(store)
    waits = [submit(store, [1]).id for _ in range(2)]
    store.sweeps.add(ALL._replace(verb="cancel", where=SweepFilter()))
    with ingestion_finished.connected_to(finished):
        sweeper.start()
        eventually(lambda: clock.latest == (False, None))
    assert sorted(told) == sorted(waits)
    assert store.get(runs.id).counts.cancelled == 1


@pytest.mark.parametrize(("seconds", "looked_at"), [(0.0, [None]), (4.9, [10, None]), (5.0, [35, 10, 0, None])])
def test_one_that_finds_nothing_says_so_every_five_seconds(
    store: MemoryStore,
    clock: Waits,
    sweeper: Sweeper,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    looked_at: list[int | None],
) -> None:
    listing, act, acted = store.ingestions, store.sweeps.act, []

    def slow(*where: Any, **more: Any) -> Any:
        clock.advance(seconds)
        return listing(*where, **more)

    def noted(sweep: Sweep, ids: Sequence[str], cursor: int, lease: float, *, last: bool) -> Any:
        assert not ids
        acted.append(None if last else cursor - 1)
        return act(sweep, ids, cursor, lease, last=last)

    monkeypatch.setattr(store, "ingestions", slow)
    monkeypatch.setattr(store.sweeps, "act", noted)
    store.sweeps.add(ALL._replace(where=SweepFilter(group="another")))
    sweeper.start()
    eventually(lambda: clock.latest == (False, None))
    assert acted == looked_at


def test_one_whose_lease_another_took_is_left_to_it(
    store: MemoryStore, clock: Waits, told: Told, sweeper: Sweeper
) -> None:
    store.sweeps.add(ALL)
    told.go_on.clear()
    sweeper.start()
    assert told.entered.wait(BOUND)
    clock.advance(60)
    assert isinstance(store.sweeps.claim(60), Sweep)
    told.go_on.set()
    eventually(lambda: clock.latest == (False, 60))
    assert (store.sweeps.latest(1)[0].acted, told.steps) == (25, 1)


def test_a_stop_waits_for_the_step_under_way(store: MemoryStore, clock: FakeClock) -> None:
    entered, over = threading.Event(), threading.Event()

    def step() -> None:
        entered.set()
        eventually(own._stopping.is_set)
        over.set()

    own = Sweeper("test", store, 60.0, clock, Emitter("test", Flask("test")), step)
    own.stop(BOUND)
    store.sweeps.add(ALL)
    own.start()
    assert entered.wait(BOUND)
    own.stop(BOUND)
    assert over.is_set()
    assert threads() == []


def test_it_starts_again_after_a_stop(store: MemoryStore, sweeper: Sweeper) -> None:
    sweeper.start()
    sweeper.stop(BOUND)
    store.sweeps.add(ALL)
    sweeper.start()
    eventually(lambda: store.sweeps.latest(1)[0].acted == 60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_has_one_thread_and_another_once_that_has_died(store: MemoryStore, clock: FakeClock) -> None:
    deaths = [SystemExit]

    def die() -> None:
        for error in deaths:
            deaths.clear()
            raise error

    own = Sweeper("test", store, 60.0, clock, Emitter("test", Flask("test")), die)
    own.start()
    own.start()
    (thread,) = threads()
    assert thread.daemon
    store.sweeps.add(ALL)
    own.start()
    thread.join(BOUND)
    clock.advance(60)
    own.start()
    eventually(lambda: store.sweeps.latest(1)[0].acted == 60)
    own.stop(BOUND)


def test_one_that_is_dropped_leaves_no_thread(store: MemoryStore, clock: Waits) -> None:
    own = Sweeper("test", store, 60.0, clock, Emitter("test", Flask("test")), lambda: None)
    own.start()
    eventually(lambda: clock.latest == (False, None))
    dropped, alarm = weakref.ref(own), own.alarm
    del own
    gc.collect()
    assert dropped() is None
    alarm()
    eventually(lambda: not threads())
