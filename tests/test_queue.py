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
