"""The batches in line, in strict order and by turns, against the least of all that is due."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import ByTurns, InOrder, Priority, Shares

PLACES = st.lists(st.tuples(st.sampled_from([1.0, 2.5, 3.0]), st.integers(1, 9), st.integers(0, 3)), unique=True)


@given(PLACES, PLACES)
def test_the_most_urgent_goes_next_whenever_it_fell_due(ready: list[Any], later: list[Any]) -> None:
    later = [place for place in later if place not in ready]
    line, left = InOrder((place, place) for place in sorted(ready)), sorted(ready)
    while left or later:
        if later:
            left.append(later.pop())
            line.add(left[-1], left[-1])
        assert line.first() == min(left)
        assert line.take() == min(left)
        left.remove(min(left))
    assert not line


@given(
    st.lists(st.tuples(st.sampled_from(Priority), st.sampled_from(["", "a", "b"])), max_size=20),
    st.integers(0, 20),
)
def test_where_ranks_age_the_oldest_of_all_says_which_priority_takes_turns(waiting: list[Any], fallen: int) -> None:
    # A LOW has the rank of a HIGH that came four seconds later.
    places = {(nth + 2.0 * key[0], nth, 0): key for nth, key in enumerate(waiting)}
    shares = {priority: Shares({}) for priority in Priority}
    ready: dict[Any, list[Any]] = {}
    for place in sorted(places)[fallen:]:
        ready.setdefault(places[place], []).append((place, place))
    line = ByTurns({one: shares[one].copy() for one in Priority}, ready, places.__getitem__, aging=True)
    for place in sorted(places)[:fallen]:
        line.add(place, place)
    while places:
        priority, _ = places[min(places)]
        caller = min((whose for of, whose in places.values() if of == priority), key=shares[priority].turn)
        expected = min(place for place, key in places.items() if key == (priority, caller))
        assert line.take() == expected
        shares[priority].take(caller)
        del places[expected]
    assert not line
