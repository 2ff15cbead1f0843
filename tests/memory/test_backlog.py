"""How many batches wait ahead, compared with a list that is too simple to be wrong."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import COMPLETED, NEW, Priority
from app.memory import backlog
from app.memory.backlog import Lane
from app.memory.fair import FairLane
from app.memory.record import Record
from app.store import Submission
from tests.support.work import work_of

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "start", "end", "end", "redrive"]), st.integers(0, 200)),
    max_size=300,
)


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """So that what few ingestions do divides blocks and empties them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backlog, "_MOST", 4)
        yield


def record(order: int, owner: str | None = None) -> Record:
    submission = Submission(array("q", range(9)), Priority.MEDIUM, owner=owner or f"{order % 3}")
    return Record(f"{order}", order, 2.0, 0.0, 3, submission)


@pytest.mark.parametrize("kind", [Lane, FairLane])
@given(steps=STEPS)
def test_it_counts_as_a_list_does(kind: type[Lane | FairLane], steps: Any) -> None:
    lane, known, gone = kind(), list[Record](), list[Record]()
    made = 0
    for step, which in steps:
        if step == "add":
            made += 1
            known.append(record(made))
            lane.add(known[-1])
        elif step == "redrive" and gone:
            one = gone.pop(which % len(gone))
            lane.add(one)
            one.move(0, NEW)
            lane.change(one, 1)
            known.append(one)
        elif known:
            one = known[which % len(known)]
            while one.waiting:
                one.move(list(one.states).index(NEW), COMPLETED)
                lane.change(one, -1)
                if step == "start":
                    break
            if not one.waiting:
                lane.remove(one)
                known.remove(one)
                gone.append(one)
        known.sort(key=lambda record: record.place)
        assert lane.total == sum(one.waiting for one in known)
        if which % 3:
            assert lane.oldest() is (known[0] if known else None)
        assert sorted(one.order for one in lane.unfinished()) == [one.order for one in known]
        for place in ((2.0, 0), (2.0, made // 2), (2.0, made + 1), *(one.place for one in known[:3])):
            assert lane.ahead(place) == sum(one.waiting for one in known if one.place < place)


@pytest.mark.parametrize("step", [1, -1, 7])
def test_many_redrives_among_many_more_are_all_counted(step: int) -> None:
    lane, again = Lane(), 60
    records = [record(order) for order in range(1, 101)]
    for one in records:
        lane.add(one)
    for one in records[:again]:
        end(lane, one)
    left = records[again:]

    def check() -> None:
        left.sort(key=lambda one: one.order)
        assert lane.unfinished() == left
        assert [lane.ahead(one.place) for one in left] == [
            sum(one.waiting for one in left[:at]) for at in range(len(left))
        ]
        assert lane.oldest() is (left[0] if left else None)

    for number in range(again):
        one = records[number * step % again]
        lane.add(one)
        one.move(0, NEW)
        lane.change(one, 1)
        left.append(one)
        check()
    assert lane.total == again + (100 - again) * 3
    while left:
        one = left.pop(len(left) // 3)
        lane.change(one, -one.waiting)
        for position in range(3):
            one.move(position, COMPLETED)
        lane.remove(one)
        check()
    assert lane.is_empty


def test_a_redrive_among_very_many_takes_few_steps() -> None:
    lane = Lane()
    records = [record(order) for order in range(1, 5_001)]
    for one in records:
        lane.add(one)
    for one in records[:200]:
        end(lane, one)
    work = [work_of(lambda one=one: lane.add(one)) for one in records[:200]]  # type: ignore[misc]
    assert 0 < max(work) < 300
    assert lane.ahead(records[-1].place) == 3 * 4_799


def end(lane: Lane, one: Record) -> None:
    """End an ingestion, whose batches are all new."""
    lane.change(one, -one.waiting)
    for position in range(3):
        one.move(position, COMPLETED)
    lane.remove(one)


@pytest.mark.parametrize("count", [*range(1, 20), 64, 100])
@pytest.mark.parametrize("order", ["from the first", "from the last", "every other one"])
def test_while_they_end_one_by_one_the_others_are_counted(count: int, order: str) -> None:
    lane, left = Lane(), [record(number) for number in range(1, count + 1)]
    for one in left:
        lane.add(one)
    while left:
        end(lane, left.pop({"from the first": 0, "from the last": -1}.get(order, len(left) // 2)))
        assert lane.total == 3 * len(left)
        assert lane.oldest() is (left[0] if left else None)
        assert [lane.ahead(one.place) for one in left] == [3 * nth for nth in range(len(left))]
        assert lane.ahead((2.0, count + 1)) == lane.total


def test_one_that_is_redriven_is_the_oldest_until_it_starts() -> None:
    lane, records = Lane(), [record(number) for number in range(1, 9)]
    for one in records:
        lane.add(one)
    for one in records[:2]:
        end(lane, one)
    assert lane.oldest() is records[2]
    for one in reversed(records[:2]):
        lane.add(one)
        one.move(1, NEW)
        lane.change(one, 1)
        assert lane.oldest() is one
    assert lane.ahead(records[1].place) == 1
    assert lane.ahead(records[2].place) == 2
    records[0].move(1, COMPLETED)
    lane.change(records[0], -1)
    assert lane.oldest() is records[1]
    for one in records[2:]:
        end(lane, one)
    assert lane.oldest() is records[1]


@pytest.mark.parametrize("kind", [Lane, FairLane])
def test_what_has_ended_takes_no_memory(kind: type[Lane | FairLane]) -> None:
    lane = kind()
    tracemalloc.start()
    for order in range(1, 5001):
        one = record(order, f"{order}")
        lane.add(one)
        for position in range(3):
            one.move(position, COMPLETED)
            lane.change(one, -1)
        lane.remove(one)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 50_000
