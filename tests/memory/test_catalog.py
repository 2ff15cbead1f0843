"""Listings of very many ingestions, which are kept in blocks."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from app.core import BatchError, Filter, Kind, Priority, Status
from app.memory.catalog import Block
from app.memory.store import MemoryStore
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, settings, submit


@pytest.mark.parametrize("where", [Filter(), Filter(priority=Priority.LOW), Filter(Status.YET_TO_START, owner="me")])
def test_pages_neither_skip_nor_repeat(where: Filter) -> None:
    store = MemoryStore(settings(), FakeClock())
    made = [submit(store, [1], Priority(1 + number % 3), owner=["me", None][number % 2]) for number in range(1000)]
    seen = store.ingestions(where, limit=37)
    while page := store.ingestions(where, before=seen[-1].order, limit=37):
        seen += page
    expected = [
        one for one in made if where.priority in (None, one.priority) and (where.owner is None or one.owner == "me")
    ]
    assert [one.id for one in seen] == [one.id for one in reversed(expected)]


class CountingFilter(Filter):
    """Counts how many kinds it was asked about."""

    asked = 0

    def takes(self, kind: Kind) -> bool:
        CountingFilter.asked += 1
        return super().takes(kind)


@pytest.mark.parametrize("wanted", [{"status": Status.TRIGGERED}, {"priority": Priority.HIGH}, {"failed": True}])
def test_a_filtered_listing_looks_at_nothing_but_what_it_wants(wanted: dict[str, Any]) -> None:
    store = MemoryStore(settings(interval=0, max_attempts=1), FakeClock())
    rare = submit(store, [1], Priority.HIGH)
    for _ in range(2000):
        submit(store, [1], Priority.LOW)
    claim = claimed(store)[0]
    if "failed" in wanted:
        bury(store, claim, BatchError("Refused", "The upstream refused."))
    CountingFilter.asked = 0
    assert [one.id for one in store.ingestions(CountingFilter(**wanted))] == [rare.id]
    assert CountingFilter.asked <= 4
    assert store.count(CountingFilter(**wanted), most=9999)[store.get(rare.id).status] == 1
    assert CountingFilter.asked <= 6


@pytest.mark.parametrize(
    "wanted", [{}, {"status": Status.YET_TO_START}, {"owner": "7"}, {"owner": "7", "failed": True}]
)
def test_a_listing_looks_at_no_more_where_there_are_very_many_owners(wanted: dict[str, Any]) -> None:
    store = MemoryStore(settings(retention=10, interval=0), clock := FakeClock())
    made = [submit(store, [1], Priority.LOW, owner=str(number % 1000)) for number in range(2000)]
    CountingFilter.asked = 0
    found = store.ingestions(CountingFilter(**wanted), limit=9999)
    expected = [] if "failed" in wanted else [made[1007], made[7]] if wanted.get("owner") else made[::-1]
    assert [one.id for one in found] == [one.id for one in expected]
    assert store.count(CountingFilter(**wanted), most=9999)[Status.YET_TO_START] == len(expected)
    assert CountingFilter.asked <= 20
    store.cancel(made[7].id)
    clock.advance(10)
    assert [one.id for one in store.ingestions(Filter(owner="7"))] == [made[1007].id]


def test_blocks_whose_ingestions_are_forgotten_are_let_go() -> None:
    gc.collect()
    before = sum(isinstance(one, Block) for one in gc.get_objects())
    clock = FakeClock()
    store = MemoryStore(settings(interval=0, retention=1), clock)
    for _ in range(2000):
        submit(store, [1])
        finish(store, claimed(store)[0])
        clock.advance(1)
    gc.collect()
    assert sum(isinstance(one, Block) for one in gc.get_objects()) - before <= 2
