"""How many batches wait ahead, compared with a list that is too simple to be wrong."""

from __future__ import annotations

import tracemalloc
from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import COMPLETED, NEW, Priority
from app.memory.backlog import Lane, place
from app.memory.record import Record
from app.store import Submission

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "start", "end", "end", "redrive"]), st.integers(0, 200)),
    max_size=300,
)


def record(order: int) -> Record:
    return Record(f"{order}", order, 2.0, 0.0, 3, Submission(array("q", range(9)), Priority.MEDIUM))


@given(steps=STEPS)
def test_it_counts_as_a_list_does(steps: Any) -> None:
    lane, known, gone = Lane(), list[Record](), list[Record]()
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
        known.sort(key=place)
        assert lane.total == sum(one.waiting for one in known)
        assert lane.oldest() is (known[0] if known else None)
        for where in ((2.0, 0), (2.0, made // 2), (2.0, made + 1), *(place(one) for one in known[:3])):
            assert lane.ahead(where) == sum(one.waiting for one in known if place(one) < where)


def test_many_redrives_among_many_more_are_all_counted() -> None:
    lane = Lane()
    records = [record(order) for order in range(1, 5001)]
    for one in records:
        lane.add(one)
    for one in records[:500]:
        for position in range(3):
            one.move(position, COMPLETED)
            lane.change(one, -1)
        lane.remove(one)
    for number, one in enumerate(reversed(records[:500]), 1):
        lane.add(one)
        one.move(0, NEW)
        lane.change(one, 1)
        assert lane.ahead(place(records[500])) == number
        assert lane.oldest() is one
    assert lane.total == 500 + 4500 * 3


def test_what_has_ended_takes_no_memory() -> None:
    lane = Lane()
    tracemalloc.start()
    for order in range(1, 5001):
        one = record(order)
        lane.add(one)
        for position in range(3):
            one.move(position, COMPLETED)
            lane.change(one, -1)
        lane.remove(one)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 50_000
