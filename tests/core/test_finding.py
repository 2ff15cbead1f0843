"""Which ids a text may be, and how much a search looks through where there is no index."""

from __future__ import annotations

import pytest

from app.core import Sought, search
from app.memory.store import MemoryStore
from tests.support.clock import START, FakeClock
from tests.support.queueing import settings, submit


@pytest.mark.parametrize("number", [0, 7, -7, 2**63 - 1, -(2**63)])
def test_digits_may_be_an_integer(number: int) -> None:
    assert Sought.of(str(number)) == (str(number), number)


@pytest.mark.parametrize("text", ["", "x", "07", "+7", "-0", "7.0", str(2**63), str(-(2**63) - 1)])
def test_any_other_text_is_a_string_alone(text: str) -> None:
    assert Sought.of(text) == (text, None)


def test_it_looks_through_so_many_ids_of_the_unfinished_and_then_of_the_latest() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(), clock)
    for _ in range(1600):
        submit(store, [1, 2, 3])
        clock.advance(1)
    # Each takes the time of 403 ids; it looks page by page, and 700 are none whole.
    for room in (403 * 699 + 1, 403 * 700):
        found = search(store.finder, store.ingestions, Sought.of("2"), room=room)
        assert (found.searched, found.unfinished, found.since) == (1400, False, START + 199)
        assert (len(found.found), found.more) == (20, True)
