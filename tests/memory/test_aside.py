"""What waits for its retry, compared with a list that is too simple to be wrong."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Priority, Steady
from app.memory import aside as module
from app.memory.aside import Aside, Block
from app.memory.record import Record
from app.queue import Entry
from app.store import Submission

ADD = st.tuples(st.just("add"), st.integers(0, 7), st.integers(0, 60).map(lambda tenths: tenths / 10))
TAKE = st.tuples(st.just("take"), st.integers(0, 60).map(lambda tenths: tenths / 10), st.none())
REMOVE = st.tuples(st.sampled_from(["remove", "remove one"]), st.integers(0, 7), st.none())


def record(number: int) -> Record:
    made = Record(f"{number}", number, float(number % 3), 0.0, 3, Submission(array("q", range(3000)), Priority.LOW))
    made.start(0, 1, 0.0)
    return made


@pytest.mark.parametrize("size", [2, 512])
@given(steps=st.lists(st.one_of(ADD, ADD, ADD, TAKE, REMOVE), min_size=20, max_size=100))
def test_it_counts_and_gives_back_as_a_list_does(monkeypatch: pytest.MonkeyPatch, size: int, steps: Any) -> None:
    monkeypatch.setattr(module, "_SIZE", size)
    records = [record(number) for number in range(8)]
    aside, naive = Aside(), list[Entry[Record]]()
    for position, (step, what, due) in enumerate(steps):
        if step == "add":
            owner = records[what]
            entry = Entry(owner.rank, owner.order, position, due, owner)
            owner.details.dues[position] = due
            aside.add(entry)
            naive.append(entry)
        elif step == "take":
            taken = aside.take(what)
            assert sorted(taken) == sorted(entry for entry in naive if entry.due <= what)
            naive = [entry for entry in naive if entry.due > what]
        else:
            of_it = [entry for entry in naive if entry.owner is records[what]]
            taken = aside.remove_of(records[what]) if step == "remove one" else aside.remove({records[what]})
            assert sorted(taken) == sorted(of_it)
            naive = [entry for entry in naive if entry.owner is not records[what]]
        naive.sort(key=lambda entry: entry.due)
        dues = [entry.due for entry in naive]
        assert len(aside) == len(naive)
        assert aside.next_due() == (dues[0] if dues else None)
        assert [entry.due for entry in aside.entries()] == dues
        assert [due for due, _ in aside.soonest(10)] == dues[:10]
        for place in (None, (0.0, 0), (1.0, 4), (2.0, 9)):
            ahead = [entry.due for entry in naive if place is None or (entry.rank, entry.order) < place]
            assert aside.count(place) == len(ahead)
            for ready, pace, saved in ((0, 0.0, 0), (0, 0.1, 0), (0, 0.3, 2), (2, 0.3, 0), (2, 1.0, 4), (90, 1.0, 0)):

                def start(nth: int, pace: float = pace, saved: int = saved) -> float:
                    return max(0, nth - saved) * pace

                found = 0
                for at in ahead:
                    found += at <= start(ready + found)
                assert aside.fallen(ready, place, start, Steady(pace, -saved * pace)) == found
        for owner in records:
            place = owner.rank, owner.order
            mine = [entry.due for entry in naive if entry.owner is owner]
            if mine:
                assert aside.bounds(place, (place[0], place[1] + 1)) == (mine[0], mine[-1])
        first, end = (0.0, 0), (1.0, 4)
        among = [entry.due for entry in naive if first <= (entry.rank, entry.order) < end]
        if among:
            assert aside.bounds(first, end) == (among[0], among[-1])


@pytest.mark.parametrize("apart", [0.9, 1.0])
def test_what_falls_due_as_fast_as_it_starts_is_counted_block_by_block(apart: float) -> None:
    aside, owner, asked = Aside(), record(1), list[int]()
    for position in range(20_000):
        aside.add(Entry(owner.rank, owner.order, position, position * apart, owner))

    def start(nth: int) -> float:
        asked.append(nth)
        return float(nth)

    assert aside.fallen(0, None, start, Steady(1.0, 0.0)) == 20_000
    assert len(asked) < 150


def test_what_falls_due_long_before_it_starts_is_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Block, "first_start")  # it goes through all that are in a block
    aside, owner = Aside(), record(1)
    for position in range(20_000):
        aside.add(Entry(owner.rank, owner.order, position, position / 1000, owner))
    assert aside.fallen(20, None, float, Steady(1.0, 0.0)) == 20_000


def test_of_a_block_of_which_not_all_are_ahead_each_is_looked_at() -> None:
    aside, ahead, behind = Aside(), record(0), record(1)
    aside.add(Entry(behind.rank, behind.order, 0, 1.0, behind))
    aside.add(Entry(ahead.rank, ahead.order, 0, 1.9, ahead))
    assert aside.fallen(1, (behind.rank, behind.order), float, Steady(1.0, 0.0)) == 0


def test_what_a_block_says_of_one_rate_is_not_taken_for_another() -> None:
    aside, owner = Aside(), record(1)
    for position in range(10):
        aside.add(Entry(owner.rank, owner.order, position, float(position), owner))
    assert aside.fallen(0, None, float, Steady(1.0, 0.0)) == 10
    assert aside.fallen(0, None, lambda nth: nth / 2, Steady(0.5, 0.0)) == 1
