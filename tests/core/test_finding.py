"""Which ids a text may be, and how much a search looks through where there is no index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.core import Ingestion, Sought, search
from app.memory.store import MemoryStore
from tests.support.clock import START, FakeClock
from tests.support.queueing import settings, submit


@pytest.mark.parametrize("number", [0, 7, -7, 2**63 - 1, -(2**63)])
def test_digits_may_be_an_integer(number: int) -> None:
    assert Sought.of(str(number)) == (str(number), number)


@pytest.mark.parametrize("text", ["", "x", "07", "+7", "-0", "7.0", str(2**63), str(-(2**63) - 1)])
def test_any_other_text_is_a_string_alone(text: str) -> None:
    assert Sought.of(text) == (text, None)


def test_it_looks_through_so_many_ids_of_the_latest_and_then_of_the_unfinished() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(), clock)
    for _ in range(1600):
        submit(store, [1, 2, 3])
        clock.advance(1)
    # Each takes the time of 403 ids; it looks page by page, and 700 are none whole.
    for room in (403 * 699 + 1, 403 * 700):
        found = search(store.finder, store.ingestions, Sought.of("2"), room=room)
        assert (found.searched, found.unfinished, found.since) == (1400, False, START + 899)
        assert (len(found.found), found.more) == (20, True)


def test_the_first_without_room_among_the_latest_is_among_the_unfinished() -> None:
    store = MemoryStore(settings(), FakeClock())
    for _ in range(4):
        submit(store, [1, 2, 3])
    found = search(store.finder, store.ingestions, Sought.of("2"), room=1)
    assert [one.ingestion.order for one in found.found] == [4, 3]
    assert (found.searched, found.unfinished) == (2, False)


def test_an_owner_finds_its_own_alone_among_the_unfinished_too() -> None:
    store = MemoryStore(settings(), FakeClock())
    for owner in ("ann", "bob", "bob", "bob"):
        submit(store, [1, 2, 3], owner=owner)
    found = search(store.finder, store.ingestions, Sought.of("2"), owner="bob", room=500)
    assert [one.ingestion.order for one in found.found] == [4, 3, 2]
    assert (found.searched, found.complete, found.unfinished) == (3, False, True)


def test_it_reads_each_ingestion_once() -> None:
    store = MemoryStore(settings(), FakeClock())
    for _ in range(60):
        submit(store, [1, 2, 3])
    read: list[int] = []

    def listing(*where: Any, **how: Any) -> Sequence[Ingestion]:
        page = store.ingestions(*where, **how)
        read.extend(one.order for one in page)
        return page

    assert search(store.finder, listing, Sought.of("2")).searched == len(read) == 60
