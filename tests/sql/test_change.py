"""What changes under a running process: the settings of another, and the database itself."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from app.cli.verify import verify
from app.core import BatchError, Priority, Rates, Status, Strings
from app.errors import StoreUnavailable
from app.outcomes import Outcome
from app.sql import retention
from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.schema import metadata
from app.sql.store import SQLStore
from app.store import Submission
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import bury, claimed, finish, settings, submit
from tests.support.simulation import BOOM

Open = Callable[..., SQLStore]


class FullDisk:
    """A driver's connection to a file that cannot be tidied."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if "wal_checkpoint" in statement:
            raise sqlite3.OperationalError("database or disk is full")
        return self._driver.execute(statement, *values)


def empty(database: str) -> None:
    """Delete all that a database holds, as a restore does before it fills it."""
    raw = Database(parse_url(database, "STORE"), 1, 2.0)
    for table in metadata.sorted_tables:
        if table.name != "ingest_version":
            raw.write(lambda wire, table=table: wire.execute(delete(table), {}))  # type: ignore[misc]
    raw.close()


@pytest.mark.parametrize(("kind", "ids"), [("string", ["a", "b"]), ("integer", range(5000))])
def test_what_is_submitted_to_a_database_that_was_emptied_is_what_is_asked(
    open_sql: Open, database: str, kind: str, ids: Any
) -> None:
    def submission(of: Any) -> Submission:
        return Submission(Strings.of(of) if kind == "string" else array("q", of), Priority.MEDIUM)

    store = open_sql(interval=0, id_type=kind)
    store.add(submission(ids))
    finish(store, claimed(store)[0])
    empty(database)
    new = [f"new-{one}" for one in ids] if kind == "string" else [one + 1_000_000 for one in ids]
    with pytest.raises(StoreUnavailable, match="the next call adds it"):
        store.add(submission(new))
    store.add(submission(new))
    assert list(claimed(store)[0].batch.ids) == new[:3]


@pytest.mark.parametrize(("before", "after"), [(60, 0), (0, 60)])
def test_the_queue_has_one_aging_while_processes_change_it(
    open_sql: Open, clock: FakeClock, before: float, after: float
) -> None:
    one, other = open_sql(interval=0, priority_aging=before), open_sql(interval=0, priority_aging=after)
    one.prepare()
    other.prepare()
    for priority in (Priority.LOW, Priority.HIGH):
        for store in (one, other):
            submit(store, [1], priority)
        clock.advance(1)
    moved = submit(one, [1], Priority.LOW)
    one.move(moved.id, Priority.HIGH)
    assert [claim.batch.priority for claim in claimed(other, 5)] == [1, 1, 1, 3, 3]


def test_a_running_batch_gets_its_new_rank_too(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=0, lease=10, priority_aging=3600)
    submit(store, [1], Priority.LOW)
    store.end(claimed(store)[0], Outcome.retry(BOOM, 20.0))
    clock.advance(1)
    submit(store, [2], Priority.HIGH)
    claimed(store)
    after = open_sql(interval=0, lease=10, priority_aging=0)
    after.prepare()
    clock.advance(30)
    after.recover()
    assert [claimed(after)[0].batch.priority for _ in range(2)] == [Priority.HIGH, Priority.LOW]


@pytest.mark.parametrize("changed", [{"interval": 5.0}, {"burst": 1}, {"limits": "1/s"}], ids=str)
def test_starts_before_a_restart_with_another_rate_are_not_held_to_it(
    open_sql: Open, clock: FakeClock, changed: dict[str, Any]
) -> None:
    usual = {"interval": 0.5, "burst": 2}
    store = open_sql(**usual)
    submit(store, range(60))
    for _ in range(5):
        claimed(store, 2)
        clock.advance(0.5)
    again = open_sql(**usual)
    again.prepare()
    assert again.stats().rates.since == 0
    after, restarted_at = open_sql(**usual | changed), clock.now()
    after.prepare()
    clock.advance(60)
    open_sql(**usual | changed).prepare()
    claimed(after, 1)
    since, log = after.stats().rates.since, after.dispatches(100)
    assert since == restarted_at
    assert not after.stats().rates.changed
    now = settings(**usual | changed)
    how = {"interval": now.interval, "burst": now.burst, "limits": now.limits}
    assert verify(log, **how)
    assert not verify(log, **how, since=since)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"fair": True}),
        ({"fair": True}, {}),
        ({"fair": True}, {"fair": True, "fair_weights": "web:4"}),
        ({"priority_aging": 60}, {"priority_aging": 30}),
    ],
    ids=str,
)
def test_starts_before_a_restart_with_another_order_are_not_held_to_it(
    open_sql: Open, clock: FakeClock, before: dict[str, Any], after: dict[str, Any]
) -> None:
    open_sql(**before).prepare()
    clock.advance(1)
    again = open_sql(**before)
    assert again.stats().order_since == 0
    changed, restarted_at = open_sql(**after), clock.now()
    assert changed.stats().order_since == restarted_at
    clock.advance(1)
    assert open_sql(**after).stats().order_since == restarted_at


def test_what_an_older_process_notes_of_its_settings_is_borne(open_sql: Open) -> None:
    store = open_sql()
    store.prepare()

    def note(turn: Any) -> None:
        turn.queue.levels = '{"configured": [5.0, 1, []]}'

    store._turns.take(note)
    again = open_sql()
    assert again.stats().rates.interval is None


def test_processes_that_name_the_limits_in_another_order_write_the_same(open_sql: Open, clock: FakeClock) -> None:
    # Else each would take what the other wrote for a change, and write anew at every look.
    one, other = open_sql(limits="6/min, 100/h"), open_sql(limits="100/h, 6/min")
    submit(one, range(6))
    written = set()
    for store in (one, other):
        claimed(store)
        clock.advance(60)
        kept = json.loads(one._instance.look()[0].levels or "{}")
        written.add(tuple(name for name in kept if "/" in name))
    assert len(written) == 1


def test_a_rate_that_was_set_stays_set_where_the_configured_one_changes(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=5)
    store.change_rates(Rates(20.0))
    clock.advance(60)
    after = open_sql(interval=4)
    after.prepare()
    assert after.stats().rates == Rates(20.0, None, {}, clock.now())


def test_what_is_left_of_a_pruned_ingestion_is_remembered_by_nobody(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS", 10)
    short, long = (open_sql(interval=0, batch_size=1, retention=seconds) for seconds in (60, 3600))
    ingestion = submit(short, range(25))
    for claim in claimed(short, 25):
        bury(short, claim, BOOM)
    clock.advance(120)
    assert long.get(ingestion.id).status is Status.FAILED
    assert short._turns.take(retention.prune) == (0, True)
    assert [one.id for one in long.ingestions()] == []
    assert long.stats().failed == 0
    sum(long.prune())
    sum(short.prune())
    assert (long.stats().failed, list(short.ingestions())) == (0, [])


def test_a_submission_that_is_written_is_accepted_though_the_log_cannot_be_tidied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db"))
    store.prepare()

    session = Database._session

    @contextmanager
    def full(self: Database, **options: Any) -> Iterator[Any]:
        with session(self, **options) as (driver, wire):
            yield FullDisk(driver), wire

    monkeypatch.setattr(Database, "_session", full)
    ingestion = submit(store, range(200_000))
    monkeypatch.undo()
    assert store.get(ingestion.id).id_count == 200_000
    assert "the write-ahead log keeps its size" in caplog.text
    store.close()


def test_changing_every_row_of_a_queue_may_take_its_time(postgres: Postgres) -> None:
    said: list[Any] = []
    raw = Database(parse_url(postgres.new_database(), "STORE"), 1, 2.0)
    raw.define(lambda connection: said.append(connection.exec_driver_sql("SHOW statement_timeout").scalar()))
    raw.close()
    assert said == ["0"]


def test_what_was_lost_is_told_though_the_store_goes_away(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sql(interval=0, batch_size=1, lease=10)
    submit(store, range(150))
    claimed(store, 150)
    clock.advance(11)
    take, turns = store._turns.take, []

    def away(*arguments: Any, **options: Any) -> Any:
        turns.append(1)
        if len(turns) == 2:
            raise StoreUnavailable("gone")
        return take(*arguments, **options)

    monkeypatch.setattr(store._turns, "take", away)
    assert len(store.recover()) == 100
    with pytest.raises(StoreUnavailable):
        store.recover()
    assert [len(store.recover()), len(store.recover())] == [50, 0]


def test_a_lost_batch_is_told_with_the_ids_that_it_asked(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=0, lease=10, max_attempts=1)
    ingestion = submit(store, [1, 2, 3])
    store.end(claimed(store)[0], Outcome.ack(["1", "1", BatchError("E", "x")]))
    store.redrive(ingestion.id)
    claimed(store)
    clock.advance(20)
    ((claim, _),) = store.recover()
    assert (list(claim.batch.ids), claim.batch.asked) == ([3], (2,))


def test_an_outcome_that_comes_after_its_batch_was_served_is_dropped(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=0, fresh=100, lease=10)
    submit(store, [1], Priority.LOW)
    (late,) = claimed(store)
    clock.advance(11)
    store.recover()
    submit(store, [1], Priority.HIGH)
    (claim,) = claimed(store)
    clock.advance(1)
    finish(store, claim, "1")
    store.claim(1)
    assert store.end(late, Outcome.ack(["1"])) is None
