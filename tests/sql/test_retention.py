"""What ended long ago is deleted, a little in each turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.core import HOUR
from app.errors import UnknownIngestion
from app.sql import retention
from app.sql.contents import ids
from app.sql.journal import minutes
from app.sql.lanes import caller_lanes, callers, lanes
from app.sql.schema import batches, ingestions
from app.sql.store import SQLStore
from app.sql.wire import Wire
from tests.support.clock import FakeClock
from tests.support.queueing import claimed, finish, submit

Open = Callable[..., SQLStore]


def test_a_turn_deletes_a_bounded_number_of_rows(
    open_sql: Open, clock: FakeClock, rows: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS", 10)
    store = open_sql(interval=0, batch_size=1, retention=100)
    for count in (25, 4, 6, 1):
        submit(store, range(count))
        for claim in claimed(store, count):
            finish(store, claim)
        clock.advance(1)
    kept = submit(store, [1])
    clock.advance(200)

    def turn() -> tuple[int, bool, int]:
        pruned = store._turns.take(retention.prune)
        return *pruned, rows(batches)

    assert [turn() for _ in range(5)] == [(0, True, 26), (0, True, 16), (1, True, 11), (3, True, 0), (0, False, 0)]
    assert [one.id for one in store.ingestions()] == [kept.id]
    assert (rows(ingestions), rows(ids)) == (1, 1)


def test_a_batch_that_never_started_has_no_row_to_delete(
    open_sql: Open, clock: FakeClock, rows: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS", 10)
    store = open_sql(interval=0, batch_size=1, retention=100)
    for started in (0, 3):
        ingestion = submit(store, range(50))
        for claim in claimed(store, started) if started else ():
            finish(store, claim)
        store.cancel(ingestion.id)
    clock.advance(100)
    assert rows(batches) == 3
    assert sum(store.prune()) == 2
    assert (rows(batches), rows(ingestions), rows(ids)) == (0, 0, 0)


def test_the_sums_of_what_is_gone_are_gone(open_sql: Open, clock: FakeClock, rows: Callable[[Any], int]) -> None:
    store = open_sql(interval=0, retention=100, fair=True)
    for _ in range(260):
        submit(store, [1])
    assert rows(lanes) == rows(caller_lanes) == 2
    for claim in claimed(store, 260):
        finish(store, claim)
    clock.advance(100)
    assert sum(store.prune()) == 260
    assert rows(lanes) == rows(caller_lanes) == 1


def test_callers_without_anything_are_gone_but_for_those_who_have_had_turns_ahead(
    open_sql: Open, clock: FakeClock, rows: Callable[[Any], int]
) -> None:
    store = open_sql(interval=0, batch_size=1, retention=100, fair=True)
    for owner, count in (("a", 2), ("b", 1), ("c", 1), ("d", 1)):
        submit(store, range(count), owner=owner)
    for claim in claimed(store, 5):
        finish(store, claim)
    submit(store, [1], owner="c")
    clock.advance(100)
    assert rows(callers) == 4
    assert sum(store.prune()) == 4
    assert rows(callers) == 2


def test_minutes_that_nobody_reads_are_gone(open_sql: Open, clock: FakeClock, rows: Callable[[Any], int]) -> None:
    store = open_sql(interval=0, batch_size=1)
    submit(store, range(HOUR + 3))
    for _ in range(HOUR + 3):
        clock.advance(60)
        finish(store, claimed(store)[0])
    assert len(store.minutes()) == HOUR
    assert rows(minutes) == HOUR - 1  # and the latest in the queue's row


def test_a_turn_deletes_many_ingestions_by_as_many_statements_as_one(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, execute = open_sql(interval=0, retention=100, fair=True), Wire.execute
    counts = []
    for count in (1, 90):
        for number in range(count):
            submit(store, [1], owner=f"caller {number}")
        for claim in claimed(store, count):
            finish(store, claim)
        clock.advance(100)
        said: list[object] = []

        def listening(wire: Wire, statement: Any, values: Any, said: list[object] = said, **more: Any) -> Any:
            said.append(statement)
            return execute(wire, statement, values, **more)

        monkeypatch.setattr(Wire, "execute", listening)
        assert list(store.prune()) == [count]
        counts.append(len(said))
    assert counts[0] == counts[1]


def test_callers_are_looked_through_once_however_many_turns_it_takes(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sql(interval=0, retention=100, fair=True)
    for _ in range(250):
        submit(store, [1])
    for claim in claimed(store, 250):
        finish(store, claim)
    clock.advance(100)
    looked = []
    monkeypatch.setattr(retention.callers, "prune", lambda *_: looked.append(1))
    assert list(store.prune()) == [100, 100, 50]
    assert looked == [1]


def test_it_is_forgotten_to_the_moment_though_its_row_is_still_there(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=0, retention=60)
    ingestion = submit(store, [1])
    finish(store, claimed(store)[0])
    clock.advance(60)
    assert not store.ingestions()
    with pytest.raises(UnknownIngestion):
        store.get(ingestion.id)
