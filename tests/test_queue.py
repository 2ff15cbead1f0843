"""Which batch goes next, compared with a list that is too simple to be wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.queue import Entry, ReadyQueue

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "pop", "follow", "jump"]), st.integers(0, 30)),
    min_size=100,
    max_size=300,
)


def entry(rank: int, number: int) -> Entry[int]:
    """The entry of owner `rank`; no two have the same number."""
    return Entry(float(rank), number, 0, 0.0, rank)


@given(steps=STEPS)
def test_it_is_in_order_as_a_sorted_list_is(steps: Any) -> None:
    queue, naive = ReadyQueue[int](), list[Entry[int]]()
    for number, (step, rank) in enumerate(steps):
        if step == "put":
            queue.put(entry(rank, number))
            naive.append(entry(rank, number))
        elif naive:
            first = naive.pop(0)
            # The next batch of an ingestion stays in front, unless something else comes before it.
            if step == "follow":
                naive.append(first._replace(position=first.position + 1))
            elif step == "jump":
                naive.append(entry(first.owner + rank % 4, number))
            queue.pop(None if step == "pop" else naive[-1])
        naive.sort()
        assert queue.first() == (naive[0] if naive else None)
    assert list(queue.in_order()) == naive
    for one in naive:
        assert queue.first() == one
        queue.pop()
    assert list(queue.in_order()) == []


def test_void_entries_are_dropped_once_they_may_be_half_of_all_and_the_others_stay_in_order() -> None:
    queue, void = ReadyQueue[int](), set[int]()
    for rank in range(100):
        queue.put(entry((rank * 37) % 100, rank))
    for rank in range(0, 100, 2):
        void.add(rank)
        queue.note_gone(void.__contains__)
        assert len(list(queue.in_order())) == 100
    void.add(1)
    queue.note_gone(void.__contains__)
    assert [one.owner for one in queue.in_order()] == list(range(3, 100, 2))
    for rank in range(3, 100, 2):
        first = queue.first()
        assert first is not None
        assert first.owner == rank
        queue.pop()


def test_of_a_few_entries_none_is_dropped_until_many_were_void() -> None:
    queue = ReadyQueue[int]()
    queue.put(entry(1, 1))
    for _ in range(2):
        for _ in range(32):
            queue.note_gone(lambda _: True)
        assert queue.first() is not None
        queue.note_gone(lambda _: True)
        assert queue.first() is None
        queue.put(entry(1, 1))
