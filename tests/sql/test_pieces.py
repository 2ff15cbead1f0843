"""What concerns very many batches of an ingestion is done a little in each turn, or may take its time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from psycopg import Connection, OperationalError
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from app.core import BatchError, Counts, Pauses, Priority, Status, Sweep, SweepFilter, steps
from app.errors import QuotaFull
from app.sql import controls, leases, parking, sweeps
from app.sql.picks import SAME_INGESTION
from app.sql.schema import batches, ingestions
from app.sql.server import Server
from app.sql.store import SQLStore
from app.sql.turns import Turn
from app.sql.wire import Rows, Wire
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import bury, claimed, finish, settings, submit

Open = Callable[..., SQLStore]

BOOM = BatchError("Boom", "x")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (controls, parking, sweeps):
        monkeypatch.setattr(module, "ROWS", 4)


def failed(store: SQLStore, ids: int, **more: Any) -> str:
    """Submit ids, and have all their batches fail."""
    made = submit(store, range(ids), **more)
    for _ in range(made.batch_count):
        bury(store, claimed(store)[0], BOOM)
    return made.id


def between(store: SQLStore, monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]) -> Callable[[], int]:
    """Have each action follow a turn of the store; returns what counts the turns."""
    take, turns, left = store._turns.take, [0], list(actions)

    def counted(*arguments: Any, **options: Any) -> Any:
        turns[0] += 1
        answer = take(*arguments, **options)
        if left:
            left.pop(0)()
        return answer

    monkeypatch.setattr(store._turns, "take", counted)
    return lambda: turns[0]


@pytest.mark.parametrize("fair", [False, True])
def test_a_redrive_takes_a_turn_for_some_of_the_batches(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch, fair: bool
) -> None:
    store = open_sql(interval=0, fair=fair)
    one = failed(store, 32)
    turns = between(store, monkeypatch)
    assert store.redrive(one).counts == Counts(yet_to_start=11)
    assert turns() == 3
    assert store.get(one).finished_at is None
    assert store.stats().depths[Priority.MEDIUM].waiting == 11
    assert [entry.after for entry in store.audits(10)] == [{"failed": 0}]
    assert [ids for claim in claimed(store, 11) for ids in claim.batch.ids] == list(range(32))
    assert store.stats().depths[Priority.MEDIUM].waiting == 0


def test_what_fails_again_meanwhile_stays_failed(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = open_sql(interval=0), open_sql(interval=0)
    one = failed(store, 18)
    between(store, monkeypatch, lambda: bury(other, claimed(other)[0], BOOM))
    assert store.redrive(one).counts == Counts(yet_to_start=5, failed=1)


def test_a_cancel_meanwhile_ends_a_redrive(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = open_sql(interval=0), open_sql(interval=0)
    one = failed(store, 18)
    turns = between(store, monkeypatch, lambda: other.cancel(one))
    assert store.redrive(one).counts == Counts(failed=2, cancelled=4)
    assert turns() == 2


def test_a_sweep_says_after_each_turn_how_far_it_is(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = open_sql(interval=0), open_sql(interval=0)
    oldest, middle, latest = (failed(store, ids) for ids in (9, 32, 3))
    store.sweeps.add(Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 3))
    held = store.sweeps.claim(60)
    assert isinstance(held, Sweep)
    told: list[tuple[int, int]] = []

    def look() -> None:
        known = other.sweeps.get("s")
        assert known is not None
        told.append((known.cursor, known.acted))

    between(store, monkeypatch, look, look)
    done = store.sweeps.act(held, [latest, middle, oldest], 1, 60, last=False)
    assert done is not None
    assert (done[0].acted, [one.id for one in done[1]]) == (3, [latest, middle, oldest])
    # The one of 11 batches takes all the room there is in a turn, and more.
    assert told == [(2, 2), (1, 3)]
    assert [store.get(one).counts.failed for one in (latest, middle, oldest)] == [0, 0, 0]


def test_a_sweep_that_breaks_off_goes_on_where_it_was(open_sql: Open, clock: FakeClock) -> None:
    store, other = open_sql(interval=0), open_sql(interval=0)
    all_failed = [failed(store, 32) for _ in range(3)]
    store.sweeps.add(Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 3))
    held = store.sweeps.claim(60)
    assert isinstance(held, Sweep)

    def broken(turn: Turn) -> None:
        assert store.sweeps._act(turn, held, all_failed[::-1], 1, 60, last=False)

    store._turns.take(broken)
    clock.advance(61)
    found = other.sweeps.claim(60)
    assert isinstance(found, Sweep)
    pages = steps(found.verb, found.where, other.ingestions, other.failures, found.cursor)
    assert [one.id for page, _ in pages for one in page] == all_failed[1::-1]
    assert found.acted == 1


def test_a_sweep_that_another_holds_meanwhile_stops(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = open_sql(interval=0), open_sql(interval=0)
    first, second = failed(store, 32), failed(store, 32)
    store.sweeps.add(Sweep("s", "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 2))
    held = store.sweeps.claim(60)
    assert isinstance(held, Sweep)

    def late() -> None:
        clock.advance(61)
        assert isinstance(other.sweeps.claim(60), Sweep)

    between(store, monkeypatch, late)
    assert store.sweeps.act(held, [second, first], 1, 60, last=False) is None
    assert [store.get(one).counts.failed for one in (first, second)] == [11, 0]


def test_very_many_leases_are_renewed_some_in_a_turn(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SOME", 4)
    store = open_sql(interval=0, batch_size=1, lease=60)
    submit(store, range(10))
    held, turns = claimed(store, 10), between(store, monkeypatch)
    clock.advance(50)
    store.renew(held)
    assert turns() == 3
    clock.advance(50)
    assert not store.recover()
    store.renew([])
    assert turns() == 3


def test_a_pause_takes_a_turn_for_some_of_the_batches(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_sql(interval=0)
    for one in [failed(store, 18, owner="nightly") for _ in range(3)]:
        store.redrive(one)
    pauses = Pauses(owners=frozenset(["nightly"]))
    turns = between(store, monkeypatch)
    store.steer("pause", lambda gate, *_: setattr(gate, "pauses", pauses), None)
    assert turns() == 1 + 3 + 1
    assert store.stats().depths[Priority.MEDIUM].parked == 18
    store.steer("resume", lambda gate, *_: setattr(gate, "pauses", Pauses()), None)
    for claim in claimed(store, 18):
        finish(store, claim)


@pytest.mark.parametrize(("rows", "timeout"), [(5000, "2s"), (5001, "0")])
def test_what_writes_very_many_rows_may_take_its_time(postgres: Postgres, rows: int, timeout: str) -> None:
    def told(turn: Turn) -> Any:
        turn.allow(rows)
        return turn.connection.execute(text("SHOW statement_timeout"), {}).scalar()

    with closing(SQLStore(settings(store=postgres.new_database(), store_timeout=2))) as store:
        assert store._turns.take(told) == timeout


def test_a_turn_that_may_take_its_time_is_not_given_up_for_the_silence(postgres: Postgres) -> None:
    def slow(turn: Turn) -> Any:
        turn.allow(5001)
        return turn.connection.execute(text("SELECT 1 FROM pg_sleep(1.6)"), {}).scalar()

    with closing(SQLStore(settings(store=postgres.new_database(), store_timeout=0.5))) as store:
        assert store._turns.take(slow) == 1


def test_options_of_the_address_are_kept_beside_our_own(postgres: Postgres) -> None:
    def shown(turn: Turn) -> list[Any]:
        names = ("work_mem", "statement_timeout", "lock_timeout")
        return [turn.connection.execute(text(f"SHOW {name}"), {}).scalar() for name in names]

    address = f"{postgres.new_database()}?options=-c%20work_mem%3D5MB"
    with closing(SQLStore(settings(store=address, store_timeout=2))) as store:
        assert store._turns.take(shown) == ["5MB", "2s", "1800ms"]


def test_on_a_new_table_it_reads_along_the_indexes(postgres: Postgres) -> None:
    both = select(batches.c.order).join_from(batches, ingestions, SAME_INGESTION)
    asked = text(f"EXPLAIN {both.compile(dialect=postgresql.dialect())}")

    def planned(turn: Turn) -> str:
        return "\n".join(line for (line,) in turn.connection.execute(asked, {}).all())

    with closing(SQLStore(settings(store=postgres.new_database()))) as store:
        plan = store._turns.take(planned)
    assert plan.count("Index") >= 2
    assert not any(way in plan for way in ("Seq Scan", "Bitmap", "Hash", "Merge"))


def test_who_cancels_a_statement_waits_a_second_for_each_of_two_answers(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is cancelled, and what became of the statement."""
    waited: list[float] = []
    monkeypatch.setattr(Connection, "cancel_safe", lambda _, *, timeout: waited.append(timeout))
    with Server(30.0).connect(postgres.new_database().replace("+psycopg", "")) as connection:
        connection.cancel_safe(timeout=5.0)
        assert (waited, connection.silence) == ([1.0], 1.0)


def test_a_connection_is_given_up_for_its_silence_from_its_first_statement_on(postgres: Postgres) -> None:
    address = postgres.new_database().replace("+psycopg", "")
    connection = Server(0.3).connect(address, options="-c work_mem=5MB")
    connection.execute("SET statement_timeout = 0")
    with pytest.raises(OperationalError, match=r"answers nothing within 0\.9 s"):
        connection.execute("SELECT pg_sleep(60)")
    assert connection.closed
    assert connection.given_up


def test_what_few_callers_each_have_parked_shares_a_turn(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_sql(interval=0)
    for number in range(30):
        submit(store, [1], Priority.LOW, owner=f"caller {number}")
    low = Pauses(priorities=frozenset([Priority.LOW]))
    store.pause(what=low)
    turns = between(store, monkeypatch)
    store.resume(what=low)
    assert turns() == 2
    assert store.stats().depths[Priority.LOW].parked == 0
    assert len(claimed(store, 30)) == 30


def test_many_ingestions_are_parked_by_one_statement(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store, said = open_sql(interval=0), list[str]()
    for number in range(60):
        submit(store, [number], owner="nightly")
    execute = Wire.execute

    def listening(wire: Wire, statement: Any, values: Any, **more: Any) -> Any:
        said.append(str(statement))
        return execute(wire, statement, values, **more)

    monkeypatch.setattr(Wire, "execute", listening)
    store.pause(what=Pauses(owners=frozenset(["nightly"])))
    assert len([one for one in said if one.startswith("UPDATE ingest_ingestions")]) == 1
    assert store.stats().depths[Priority.MEDIUM].parked == 60


def test_a_refusal_for_a_quota_reads_only_what_has_to_start_first(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = open_sql(interval=1, key_quota=300, batch_size=1), list[int]()
    for number in range(300):
        submit(store, [number], Priority(1 + number % 2), owner="a")
    fetch = Rows.all

    def reading(rows: Rows) -> list[Any]:
        found = fetch(rows)
        read.append(len(found))
        return found

    monkeypatch.setattr(Rows, "all", reading)
    for count, most in ((1, 110), (99, 110), (260, 310)):
        with pytest.raises(QuotaFull) as refused:
            submit(store, range(count), owner="a")
        assert refused.value.retry_after == count - 1
        assert sum(read) < most
        read.clear()


def test_while_all_that_is_paused_is_parked_no_turn_looks_at_it(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sql(interval=0)
    for number in range(9):
        submit(store, [number], Priority(1 + number % 3), owner="nightly")
    store.pause(what=Pauses(frozenset([Priority.LOW]), frozenset(["nightly"])))
    turns = between(store, monkeypatch)
    assert sum(store.prune()) == turns() == 0
