"""The index of FIND_IDS in a database: what it holds, and that it is never believed where it has gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from app.core import Priority, Search, Sought, Strings, search
from app.store import Store, Submission
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.queueing import claimed, finish, settings, submit

Open = Callable[..., Store]


@pytest.fixture
def open_one(database: str, clock: FakeClock) -> Iterator[Open]:
    """Opens the same queue, each time as another process would."""
    opened: list[Store] = []

    def open_one(**changes: Any) -> Store:
        chosen = settings(store=database, interval=0, store_poll=0, retention=60, **changes)
        opened.append(open_store(chosen, clock, "one"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def where(store: Store, number: int) -> Search:
    return search(store.finder, store.ingestions, Sought.of(str(number)))


def test_what_is_not_indexed_is_looked_through(open_one: Open) -> None:
    without, indexing = open_one(), open_one(find_ids=True)
    made = [submit(without, [1, 2])]
    assert where(indexing, 1).searched == 1
    made.append(submit(indexing, [1, 3]))
    for store in (without, indexing):
        found = where(store, 1)
        assert [one.ingestion.id for one in found.found] == [one.id for one in made[::-1]]
        assert (found.searched, found.complete) == (1, True)
    # A process that does not index leaves a gap, after which the index begins anew.
    made.append(submit(without, [1, 4]))
    found = where(indexing, 1)
    assert [one.ingestion.id for one in found.found] == [one.id for one in made[::-1]]
    assert found.searched == 3
    made.append(submit(indexing, [1, 5]))
    found = where(indexing, 1)
    assert [one.ingestion.id for one in found.found] == [one.id for one in made[::-1]]
    assert found.searched == 3


@pytest.mark.parametrize("find_ids", [False, True])
def test_a_string_is_found_wherever_it_is_among_others(open_one: Open, *, find_ids: bool) -> None:
    store = open_one(find_ids=find_ids, id_type="string")
    made, _ = store.add(Submission(Strings.of(["ä-1", "ä-12", "x", "12"]), Priority.LOW))
    for nth, sought in enumerate(("ä-1", "ä-12", "x", "12")):
        found = search(store.finder, store.ingestions, Sought.of(sought)).found
        assert [(one.ingestion.id, one.batch.position * 3 + one.nth) for one in found] == [(made.id, nth)]
    for absent in ("ä", "-1", "2"):
        assert not search(store.finder, store.ingestions, Sought.of(absent)).found


def test_entries_go_with_their_ingestion(open_one: Open, database: str, clock: FakeClock) -> None:
    store = open_one(find_ids=True, batch_size=300)
    submit(store, range(1, 20_000))
    submit(store, [7])
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))

    def entries() -> Any:
        with engine.connect() as connection:
            return connection.execute(text("SELECT count(*), sum(length(hashes)) FROM ingest_hashes")).one()

    try:
        assert tuple(entries()) == (entries()[0], 4 * 20_000)
        assert entries()[0] <= 8192 + 1
        for claim in claimed(store, 10_000):
            finish(store, claim)
        clock.advance(61)
        sum(store.prune())
        assert entries()[0] == 0
    finally:
        engine.dispose()
