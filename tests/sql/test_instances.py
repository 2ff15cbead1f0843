"""Which queues a database holds, and how one is forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from app.errors import ConfigError, StoreUnavailable
from app.sql import instances
from app.sql.database import Database
from app.sql.instances import forget, queues_in
from app.sql.schema import batches, metadata
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import claimed, finish, settings, submit, worked_elsewhere

Open = Callable[..., SQLStore]
KEY = "INGEST_STORE"


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_MOST", 3)


def fill(store: SQLStore, count: int) -> list[str]:
    made = [
        submit(store, range(7), owner=f"caller{number}", key=str(number), fingerprint="") for number in range(count)
    ]
    finish(store, claimed(store)[0])
    store.hold(1.0)
    return [one.id for one in made]


def test_a_forgotten_queue_leaves_nothing_and_takes_nothing_from_another(
    open_sql: Open, database: str, clock: FakeClock, rows: Callable[[Any], int]
) -> None:
    crm = open_sql(name="crm", fair=True, fresh=60, find_ids=True, attempts_kept=3, interval=0)
    kept = fill(crm, 2)
    before = {table.name: rows(table) for table in metadata.sorted_tables}
    geo = open_sql(name="geo", fair=True, fresh=60, find_ids=True, attempts_kept=3, interval=0)
    fill(geo, 10)
    assert [(one.name, one.waiting, one.running, one.ingestions) for one in queues_in(database, KEY)] == [
        ("crm", 5, 0, 2),
        ("geo", 29, 0, 10),
    ]
    forget(database, KEY, "geo", clock.now())
    assert {table.name: rows(table) for table in metadata.sorted_tables} == before
    assert [one.id for one in reversed(crm.ingestions())] == kept
    clock.advance(1)
    assert len(claimed(crm, 9)) == 5


def test_a_queue_with_a_worker_is_not_forgotten(open_sql: Open, database: str, clock: FakeClock) -> None:
    geo = open_sql(name="geo")
    submit(geo, [1])
    worked_elsewhere(geo)
    clock.advance(20)
    with pytest.raises(ConfigError, match=r"A worker of 'geo' reported 20 s ago: stop it first\..* after 600 s"):
        forget(database, KEY, "geo", clock.now())
    geo.leave("elsewhere")
    forget(database, KEY, "geo", clock.now())
    assert queues_in(database, KEY) == []


def test_no_worker_reports_between_the_look_for_workers_and_the_end_of_the_queue(
    open_sql: Open, database: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(open_sql(name="geo"), [1])
    geo = open_sql(name="geo", store_timeout=0.5)
    assert geo.stats().waiting == 1
    idle = instances._idle

    def reporting(*arguments: Any) -> Any:
        found = idle(*arguments)
        with pytest.raises(StoreUnavailable):
            worked_elsewhere(geo)
        return found

    monkeypatch.setattr(instances, "_idle", reporting)
    forget(database, KEY, "geo", clock.now())
    with pytest.raises(StoreUnavailable, match="no longer knows the instance 'geo'"):
        worked_elsewhere(geo)
    worked_elsewhere(geo)
    assert [(one.name, one.ingestions, one.silent) for one in queues_in(database, KEY, clock.now())] == [("geo", 0, 0)]


def test_a_worker_that_was_killed_counts_as_gone_after_ten_minutes(
    open_sql: Open, database: str, clock: FakeClock
) -> None:
    worked_elsewhere(open_sql(name="geo"))
    clock.advance(599)
    with pytest.raises(ConfigError, match="reported 599 s ago"):
        forget(database, KEY, "geo", clock.now())
    clock.advance(1)
    forget(database, KEY, "geo", clock.now())
    assert queues_in(database, KEY) == []


def test_how_long_a_worker_is_silent_is_told_by_the_clock_of_the_database(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.new_database()
    store = SQLStore(settings(store=address), None, "geo")
    worked_elsewhere(store)
    store.close()
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 3600)  # as on a machine that is an hour ahead
    with pytest.raises(ConfigError, match=r"A worker of 'geo' reported \d s ago"):
        forget(address, KEY, "geo")


def test_no_transaction_deletes_more_than_some_rows(
    open_sql: Open, database: str, clock: FakeClock, rows: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    geo = open_sql(name="geo", interval=0, batch_size=1, attempts_kept=3)
    submit(geo, range(20))
    for claim in claimed(geo, 20):
        finish(geo, claim)
    left: list[int] = []
    define = Database.define

    def counting(self: Database, work: Callable[[Any], None]) -> None:
        define(self, work)
        left.append(sum(map(rows, metadata.sorted_tables)))

    monkeypatch.setattr(Database, "define", counting)
    forget(database, KEY, "geo", clock.now())
    assert all(before - after <= 3 for before, after in pairwise(left))
    assert rows(batches) == 0


def test_what_an_interrupted_call_left_is_not_taken_for_the_queue(
    open_sql: Open, database: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_sql(name="geo", interval=0), 5)

    def interrupted(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instances, "_delete_some", interrupted)
        with pytest.raises(KeyboardInterrupt):
            forget(database, KEY, "geo", clock.now())
    again = open_sql(name="geo")
    assert again.ingestions() == []
    left = next(one.name for one in queues_in(database, KEY) if one.name != "geo")
    forget(database, KEY, left, clock.now())
    submit(again, [1])
    assert [(one.name, one.waiting) for one in queues_in(database, KEY)] == [("geo", 1)]


def test_an_unknown_queue_is_named_with_those_that_are_there(open_sql: Open, database: str, clock: FakeClock) -> None:
    for name in ("geo", "crm"):
        submit(open_sql(name=name), [1])
    with pytest.raises(ConfigError, match="holds no queue 'goe'; it has crm, geo"):
        forget(database, KEY, "goe", clock.now())


@pytest.mark.parametrize("tables", [False])
def test_a_database_without_the_tables_of_this_release_is_left_alone(database: str) -> None:
    for call in (lambda: queues_in(database, KEY), lambda: forget(database, KEY, "geo")):
        with pytest.raises(ConfigError, match=r"INGEST_STORE(: there is no file| holds no tables; this release needs)"):
            call()
