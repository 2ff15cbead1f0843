"""The threads that run batches: how many there may be, who stays, and who is given up."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import pytest

from app.core import Batch, Claim, Priority, Status
from app.worker.crew import Crew, Hand, Slot
from tests.support.host import BOUND, eventually


def slot(number: int = 0) -> Slot:
    batch = Batch("8d0b2a4e-1c3f-4a5b-9c7d-000000000000", number, [1], Status.TRIGGERED, Priority.LOW)
    return Slot(Claim(batch, 0.0, 0.0), float(number))


class Bench:
    """A crew whose hands work until they are told to end."""

    def __init__(self, size: int, *, group: bool = True) -> None:
        self.idle = threading.Semaphore(0)
        self.crew = Crew("test", size, group=group, on_idle=self.idle.release)
        self.hands: list[Hand] = []
        self.ends: list[threading.Event] = []

    def start(self, number: int = 0) -> Hand:
        begun, end = threading.Event(), threading.Event()
        self.ends.append(end)

        def work(hand: Hand) -> None:
            self.hands.append(hand)
            begun.set()
            assert end.wait(BOUND)

        self.crew.start(slot(number), work)
        assert begun.wait(BOUND)
        return self.hands[-1]

    def end(self, which: int) -> None:
        self.ends[which].set()
        assert self.idle.acquire(timeout=BOUND)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(size: int, *, group: bool = True) -> Bench:
        made.append(Bench(size, group=group))
        return made[-1]

    yield make
    for one in made:
        for end in one.ends:
            end.set()
        eventually(lambda one=one: not len(one.crew) and not one.crew.abandoned)  # type: ignore[misc]


def test_of_a_smaller_crew_the_surplus_leaves_once_it_is_done(bench: Callable[..., Bench]) -> None:
    one = bench(3)
    hands = [one.start(number) for number in range(3)]
    one.crew.resize(2)
    assert (len(one.crew), one.crew.free) == (3, 0)
    assert not any(map(one.crew.stays, hands))
    one.end(0)
    assert one.crew.stays(hands[1])
    one.crew.resize(4)
    assert one.crew.free == 2


def test_a_hand_takes_a_slot_until_it_leaves(bench: Callable[..., Bench]) -> None:
    one = bench(2)
    assert (len(one.crew), one.crew.free, one.crew.slots()) == (0, 2, [])
    one.start(1)
    assert (len(one.crew), one.crew.free, one.crew.slots()) == (1, 1, [slot(1)])
    one.start(2)
    assert (len(one.crew), one.crew.free) == (2, 0)
    one.start(3)
    assert (len(one.crew), one.crew.free) == (3, 0)
    assert not one.idle.acquire(blocking=False)
    one.end(0)
    one.end(1)
    assert (len(one.crew), one.crew.free, one.crew.slots()) == (1, 1, [slot(3)])


def test_a_thread_of_the_crew_is_known_as_one(bench: Callable[..., Bench]) -> None:
    one = bench(1)
    hand = one.start()
    assert hand.thread is not None
    assert hand.thread.daemon
    assert hand.thread.name == "test-batch"
    assert one.crew.has(hand.thread)
    assert not one.crew.has(threading.current_thread())


def test_a_thread_that_cannot_be_started_takes_no_slot(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench(1)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            one.crew.start(slot(), lambda _: None)
    assert (len(one.crew), one.crew.free) == (0, 1)


def test_an_attempt_takes_too_long_without_the_time_of_its_reports(bench: Callable[..., Bench]) -> None:
    one = bench(2)
    assert one.crew.late_at(5.0, 3.0) == math.inf
    first = one.start(1)
    one.start(2)
    assert one.crew.late_at(5.0, 3.0) == 6.0
    first.reports = True
    assert [one.crew.late_at(5.0, now) for now in (5.9, 6.0)] == [6.0, 7.0]
    assert [first.late_at(5.0, now) for now in (6.0, 100.0)] == [11.0, 105.0]
    first.reports, first.reported_for = False, 90.0
    assert first.late_at(5.0, 100.0) == 96.0
    first.change(slot(3))
    assert first.late_at(5.0, 100.0) == 8.0


def test_those_that_meet_a_condition_are_given_up_and_counted_until_they_end(bench: Callable[..., Bench]) -> None:
    one = bench(2)
    kept, gone = one.start(1), one.start(2)
    assert one.crew.give_up(lambda hand: hand.slot.started_at == 2.0) == [gone]
    assert (kept.given_up.is_set(), gone.given_up.is_set()) == (False, True)
    assert (len(one.crew), one.crew.free, one.crew.abandoned, one.crew.slots()) == (1, 1, 1, [slot(1)])
    assert one.crew.stays(kept)
    assert not one.crew.stays(gone)
    assert not one.crew.go_on(gone, slot(3))
    assert gone.slot == slot(2)
    assert one.crew.go_on(kept, slot(3))
    assert one.crew.slots() == [slot(3)]
    one.end(1)
    assert (len(one.crew), one.crew.free, one.crew.abandoned) == (1, 1, 0)


@pytest.mark.parametrize("size", [1, 2])
def test_it_is_stuck_at_ten_threads_given_up_for_each_slot(bench: Callable[..., Bench], size: int) -> None:
    one = bench(size)
    for number in range(10 * size):
        assert not one.crew.is_stuck
        one.start(number)
        one.crew.give_up(lambda _: True)
    assert one.crew.is_stuck
    one.end(0)
    assert not one.crew.is_stuck


def test_of_a_closed_crew_nobody_goes_on(bench: Callable[..., Bench]) -> None:
    one = bench(1)
    hand = one.start(1)
    one.crew.close()
    assert one.crew.closed
    assert not one.crew.stays(hand)
    assert not one.crew.go_on(hand, slot(2))
    assert one.crew.slots() == [slot(1)]
    one.crew.open()
    assert not one.crew.closed
    assert one.crew.stays(hand)
    assert one.crew.go_on(hand, slot(2))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time of the crew, to be set."""
    moment = [100.0]
    monkeypatch.setattr("app.worker.crew.time.monotonic", lambda: moment[0])
    return moment


def test_while_one_hand_is_brisk_the_others_leave(bench: Callable[..., Bench], now: list[float]) -> None:
    one, grouped = bench(3, group=False), bench(3)
    for each in (one, grouped):
        quick, other = each.start(1), each.start(2)
        assert not each.crew.is_brisk
        now[0] += 0.0009
        assert each.crew.go_on(quick, slot(3))
        now[0] += 0.0009
        # Its last batch was quick, and its present one may still be.
        assert each.crew.is_brisk is (each is one)
        assert each.crew.stays(quick)
        assert each.crew.stays(other) is (each is grouped)
        now[0] += 0.0001
        assert not each.crew.is_brisk
        assert each.crew.stays(other)
        assert each.crew.go_on(quick, slot(4))
        assert not each.crew.is_brisk
