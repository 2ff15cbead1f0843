"""The ready queue, compared with a list that is too simple to be wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.queue import Entry, ReadyQueue

PLACES = st.permutations(range(64))
STEPS = st.lists(st.sampled_from(["put", "pop", "pop and put"]), min_size=40, max_size=120)


@given(places=PLACES, steps=STEPS)
def test_the_most_urgent_comes_first_whatever_went_before(places: list[int], steps: list[str]) -> None:
    queue, model = ReadyQueue[None](), list[Entry[None]]()
    made = [Entry(float(place % 3), place, 0, 0.0, None) for place in places]
    # Half of them at once, so that the heap is several levels deep.
    for entry in made[:32]:
        queue.put(entry)
        model.append(entry)
    left = iter(made[32:])
    for step in steps:
        entry = next(left, None) if "put" in step else None
        if "pop" in step and model:
            model.remove(min(model))
            queue.pop(entry)
        elif entry:
            queue.put(entry)
        model += [entry] if entry else []
        assert queue.first() == min(model, default=None)
    assert list(queue.in_order()) == sorted(model)


@given(places=PLACES, removed=st.lists(st.sets(st.integers(0, 7)), max_size=3))
def test_what_is_removed_leaves_the_others_in_order(places: list[int], removed: list[set[int]]) -> None:
    queue = ReadyQueue[int]()
    model = [Entry(1.0, place, 0, 0.0, nth % 8) for nth, place in enumerate(places)]
    for entry in model:
        queue.put(entry)
    for owners in removed:
        assert sorted(queue.remove(owners)) == sorted(entry for entry in model if entry.owner in owners)
        model = [entry for entry in model if entry.owner not in owners]
    for entry in sorted(model):
        assert queue.first() == entry
        queue.pop()
    assert queue.first() is None


def test_what_is_gone_is_dropped_before_it_is_half_of_all() -> None:
    queue, gone = ReadyQueue[int](), set[int]()
    for number in range(1000):
        queue.put(Entry(1.0, number, 0, 0.0, number))
    for number in range(500, 1000):
        gone.add(number)
        queue.note_gone(lambda owner: owner in gone)
        left = list(queue.in_order())
        assert len([entry for entry in left if entry.owner in gone]) <= len(left) / 2
        assert [entry.owner for entry in left if entry.owner not in gone] == sorted({*range(1000)} - gone)


def of(owner: int) -> Entry[int]:
    """The entry of an owner that is ranked by its number."""
    return Entry(float(owner), 1, 0, 0.0, owner)


def test_void_entries_are_dropped_once_they_may_be_half_of_all_and_the_others_stay_in_order() -> None:
    queue, void = ReadyQueue[int](), set[int]()
    for rank in range(100):
        queue.put(of((rank * 37) % 100))
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
    queue.put(of(1))
    for _ in range(2):
        for _ in range(32):
            queue.note_gone(lambda _: True)
        assert queue.first() is not None
        queue.note_gone(lambda _: True)
        assert queue.first() is None
        queue.put(of(1))
