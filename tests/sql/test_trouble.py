"""Databases that can be read and take no changes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Pipeline
from psycopg.errors import ReadOnlySqlTransaction, UndefinedTable, UniqueViolation
from sqlalchemy import Connection, literal, select, text

from app.core import BatchError
from app.errors import StoreUnavailable
from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.store import SQLStore
from app.sql.trouble import Complaints, explained, is_ours, is_read_only
from app.sql.wire import Wire
from tests.support.ports import deaf_port
from tests.support.postgres import Postgres
from tests.support.queueing import blocked, bury, claimed, settings, submit
from tests.support.unwritable import unwritable

Open = Callable[..., SQLStore]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("database or disk is full", "The disk that holds the store is full."),
        ("database is locked", "The store is busy: another transaction kept it locked for too long."),
        ("canceling statement due to statement timeout", "The store is too slow to answer in time."),
        ("connection refused", "The store cannot be reached."),
        (
            'terminating connection CONTEXT: while locking tuple (13,9) in relation "ingest_limiter"',
            "The store cannot be reached.",
        ),
    ],
)
def test_what_it_says_is_put_into_words(said: str, meant: str) -> None:
    assert explained(said) == meant


def test_the_log_repeats_what_is_wrong_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    with caplog.at_level(logging.DEBUG):
        for now in (5.0, 5.1, 14.9, 15.0, 24.9):
            complaints.log("It is down.", f"refused at {now}", now)
        complaints.log("It is full.", "refused", 24.9)
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
        "It is down. refused at 5.0",
        "It is down. refused at 15.0",
        "It is full. refused",
    ]
    assert len(caplog.records) == 6


def test_the_log_says_no_more_of_an_error_than_helps(caplog: pytest.LogCaptureFixture) -> None:
    Complaints().log("It is down.", "x" * 500, 0.0)
    assert [one.getMessage() for one in caplog.records] == [f"It is down. {'x' * 300}"]


def test_an_outage_is_no_line_in_the_log_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    with deaf_port() as port, closing(Database(parse_url(f"postgresql://127.0.0.1:{port}/x", "STORE"), 1, 1.0)) as away:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                away.read(lambda wire: wire)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (UniqueViolation(), True),
        (sqlite3.IntegrityError(), True),
        (psycopg.errors.SyntaxError(), True),
        (psycopg.DataError(), True),
        (UndefinedTable(), False),
        (ReadOnlySqlTransaction(), False),
        (sqlite3.OperationalError(), False),
        (OSError(), False),
    ],
    ids=repr,
)
def test_a_statement_that_is_wrong_is_ours_unless_something_is_missing(error: Exception, ours: bool) -> None:
    assert is_ours(error) is ours
    assert is_read_only(error) == isinstance(error, ReadOnlySqlTransaction)


def test_it_is_told_until_a_change_is_taken_again(open_sql: Open) -> None:
    store = open_sql(interval=0)
    submit(store, [1])
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    assert store.trouble is None
    with unwritable(store):
        with pytest.raises(StoreUnavailable, match="read-only"):
            submit(store, [2])
        assert "read-only" in str(store.trouble)
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.ping()
        assert (store.stats().failed, len(list(store.failures())), len(store.ingestions())) == (1, 1, 1)
    store.ping()
    assert store.trouble is None
    assert submit(store, [2]).order == 2


def test_it_is_found_out_by_a_claim_that_would_change_nothing(open_sql: Open) -> None:
    store = open_sql(interval=0)
    assert blocked(store).reason == blocked(store).reason == "empty"
    with unwritable(store):
        with pytest.raises(StoreUnavailable):
            submit(store, [1])
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="read-only"):
                store.claim(1)
    assert blocked(store).reason == "empty"
    assert store.trouble is None


def test_tables_that_are_gone_are_waited_for(open_sql: Open) -> None:
    """As while a backup is restored under the service."""
    store = open_sql(interval=0)
    ingestion = submit(store, [1])

    def rename(before: str, after: str) -> Callable[[Connection], None]:
        return lambda connection: connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}") and None

    store._database.define(rename("ingest_limiter", "elsewhere"))
    for call in (lambda: submit(store, [2]), lambda: store.claim(1), lambda: store.get(ingestion.id), store.ping):
        with pytest.raises(StoreUnavailable, match="tables are gone"):
            call()
    store._database.define(rename("elsewhere", "ingest_limiter"))
    store.ping()
    assert store.trouble is None
    assert claimed(store)[0].batch.ids == [1]


def _run(address: str, *statements: str) -> None:
    with closing(Database(parse_url(address, "STORE"), 1, 5.0)) as database:
        database.define(lambda connection: [connection.exec_driver_sql(one) for one in statements] and None)


def test_constraints_that_are_not_there_yet_are_waited_for(postgres: Postgres) -> None:
    """A restore makes them last."""
    address = postgres.new_database()
    with closing(SQLStore(settings(store=address))) as store:
        submit(store, [1])
        _run(address, "ALTER TABLE ingest_lanes DROP CONSTRAINT ingest_lanes_pkey")
        with pytest.raises(StoreUnavailable, match="tables are gone"):
            submit(store, [2])
        _run(address, "ALTER TABLE ingest_lanes ADD PRIMARY KEY (instance, priority, block)")
        assert submit(store, [2]).order == 2


def test_a_schema_that_is_not_there_yet_is_waited_for(postgres: Postgres) -> None:
    address = postgres.new_database()
    _run(address, "DROP SCHEMA public")
    with closing(SQLStore(settings(store=address))) as store:
        with pytest.raises(StoreUnavailable, match="has no schema"):
            submit(store, [1])
        _run(address, "CREATE SCHEMA public")
        assert submit(store, [1]).order == 1


def test_a_process_that_uses_all_its_connections_says_so(tmp_path: Path) -> None:
    with closing(Database(parse_url(f"sqlite:///{tmp_path}/ingest.db", "STORE"), 1, 0.05)) as database:
        one = select(literal(1))
        with pytest.raises(StoreUnavailable, match="All connections of this process"):
            database.read(lambda _: database.glance(one, {}))
        assert database.glance(one, {}) == (1,)


def test_rights_that_are_taken_away_are_waited_for(postgres: Postgres) -> None:
    address = postgres.new_database()
    _run(address, "DROP ROLE IF EXISTS service", "CREATE ROLE service LOGIN", "GRANT ALL ON SCHEMA public TO service")
    with closing(SQLStore(settings(store=address.replace("ingest@", "service@")))) as store:
        submit(store, [1])
        _run(address, "REVOKE UPDATE ON ingest_limiter FROM service")
        with pytest.raises(StoreUnavailable, match="does not let this service's user"):
            submit(store, [2])
        _run(address, "GRANT UPDATE ON ingest_limiter TO service")
        assert submit(store, [2]).order == 2


# It waits for up to 30 s until they are gone.
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_a_reading_whose_connection_is_lost_midway_goes_again(postgres: Postgres) -> None:
    address = postgres.new_database()
    seen = []

    def read(wire: Wire) -> int:
        seen.append(wire.execute(select(literal(1)), {}).scalar())
        if len(seen) == 1:
            _run(address, _END_OTHERS)
        return int(wire.execute(select(literal(2)), {}).scalar())

    with closing(Database(parse_url(address, "STORE"), 1, 5.0)) as database:
        assert database.read(read) == 2
        assert seen == [1, 1]


def test_a_connection_in_use_while_another_is_lost_is_not_kept_for_nobody(postgres: Postgres) -> None:
    address = postgres.new_database()
    pid, used = text("SELECT pg_backend_pid()"), []

    def lose(wire: Wire, spared: int) -> None:
        used.append(wire._driver)
        wire.execute(pid, {}).scalar()
        if len(used) == 1:
            _run(address, f"{_END_OTHERS} AND pid <> {spared}")

    def read(wire: Wire) -> None:
        spared = wire.execute(pid, {}).scalar()
        database.read(lambda other: lose(other, spared))
        used.append(wire._driver)

    with closing(Database(parse_url(address, "STORE"), 2, 5.0)) as database:
        database.read(read)
        assert [driver.closed for driver in used] == [True, False, True]


def test_a_connection_that_cannot_leave_its_pipeline_is_replaced_without_a_word(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is now and then where the server ends a session; here for an answer that nobody fetches."""
    seen, leave = [], Pipeline._exit_gen

    def leave_one(pipeline: Pipeline) -> Iterator[Any]:
        yield from leave(pipeline)
        if len(seen) == 1:
            pipeline.pgconn.send_query_params(b"SELECT 1", None)

    monkeypatch.setattr(Pipeline, "_exit_gen", leave_one)
    with closing(Database(parse_url(postgres.new_database(), "STORE"), 1, 5.0)) as database:
        pid = text("SELECT pg_backend_pid()")
        database.read(lambda wire: seen.append(wire.execute(pid, {}).scalar()))
    assert len(set(seen)) == 2
    assert caplog.messages == []


def test_a_reading_that_is_given_up_for_the_silence_does_not_go_again(postgres: Postgres) -> None:
    """It would only be given up again, after as long."""
    seen = []

    def read(wire: Wire) -> None:
        seen.append(wire.execute(text("SET statement_timeout = 0"), {}, keep=False))
        wire.execute(text("SELECT 1 FROM pg_sleep(60)"), {}, keep=False).scalar()

    with closing(Database(parse_url(postgres.new_database(), "STORE"), 1, 0.3)) as database:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            database.read(read)
        assert len(seen) == 1


def test_what_is_found_wrong_only_at_the_end_is_raised_and_leaves_a_connection_of_use(postgres: Postgres) -> None:
    """In a pipeline nothing is heard of a change before somebody asks."""

    def change(wire: Wire) -> None:
        for statement in ("CREATE TABLE one (number integer PRIMARY KEY)", *["INSERT INTO one VALUES (1)"] * 2):
            wire.execute(text(statement), {}, keep=False)

    with closing(Database(parse_url(postgres.new_database(), "STORE"), 1, 5.0)) as database:
        with pytest.raises(UniqueViolation):
            database.write(change)
        assert database.glance(text("SELECT to_regclass('one')"), {})[0] is None


def test_what_is_found_wrong_is_not_what_was_wrong_before(postgres: Postgres) -> None:
    def change(wire: Wire) -> None:
        wire.execute(text("INSERT INTO nowhere VALUES (1)"), {}, keep=False)

    with closing(Database(parse_url(postgres.new_database(), "STORE"), 1, 5.0)) as database:
        try:
            raise psycopg.Error("an earlier one")
        except psycopg.Error:
            with pytest.raises(StoreUnavailable, match="tables are gone"):
                database.write(change)


def test_what_is_raised_counts_more_than_what_fails_because_of_it(postgres: Postgres) -> None:
    def change(wire: Wire) -> None:
        wire.execute(text("INSERT INTO nowhere VALUES (1)"), {}, keep=False)
        raise KeyboardInterrupt

    with closing(Database(parse_url(postgres.new_database(), "STORE"), 1, 5.0)) as database:
        with pytest.raises(KeyboardInterrupt):
            database.write(change)
        assert database.glance(select(literal(1)), {}) == (1,)


def test_tables_are_made_in_a_transaction_that_may_rest_for_five_seconds_or_longer(postgres: Postgres) -> None:
    address, told = postgres.new_database(), []
    for timeout in (0.5, 30.0):
        with closing(Database(parse_url(address, "STORE"), 1, timeout)) as database:
            for ask in (database.define, database.read):
                ask(lambda on: told.append(on.execute(_RESTS, {}).scalar()))
    assert told == ["5s", "500ms", "30s", "30s"]


_RESTS = text("SELECT current_setting('idle_in_transaction_session_timeout')")


def test_a_change_whose_connection_is_lost_midway_is_not_made_again(postgres: Postgres) -> None:
    """What came back may have been acted on."""
    address = postgres.new_database()
    seen = []

    def change(wire: Wire) -> int:
        seen.append(wire.execute(select(literal(1)), {}).scalar())
        _run(address, _END_OTHERS)
        return int(wire.execute(select(literal(2)), {}).scalar())

    with closing(Database(parse_url(address, "STORE"), 1, 5.0)) as database:
        with pytest.raises(StoreUnavailable):
            database.write(change)
        assert seen == [1]


def test_connections_to_a_replica_are_not_kept(postgres: Postgres) -> None:
    """A failover moves an address, not the connections that were made through it."""
    address = postgres.new_database()
    name = address.rpartition("/")[2]
    with closing(SQLStore(settings(store=address))) as store:
        ingestion = submit(store, [1])
        _run(
            address,
            f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            _END_OTHERS,
        )
        two = store._database.read(lambda _: store.get(ingestion.id))
        assert two.id_count == 1
        with pytest.raises(StoreUnavailable, match="read-only"):
            submit(store, [2])
        _run(postgres.url, f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert submit(store, [2]).order == 2


def test_of_several_servers_it_takes_the_one_that_takes_changes(postgres: Postgres) -> None:
    name = postgres.new_database().rpartition("/")[2]
    with deaf_port() as deaf:
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in (deaf, postgres.port))
        address = f"postgresql+psycopg://ingest@/{name}?{hosts}&target_session_attrs=read-write"
        with closing(SQLStore(settings(store=address))) as store:
            assert submit(store, [1]).order == 1


def test_a_lock_of_somebody_else_is_told_from_a_slow_statement(postgres: Postgres) -> None:
    address = postgres.new_database()
    with closing(SQLStore(settings(store=address))) as store:  # tables take longer than the time-out below
        ingestion = submit(store, [1])
    somebody = Database(parse_url(address, "STORE"), 1, 5.0)

    def held(connection: Connection) -> None:
        connection.exec_driver_sql("LOCK TABLE ingest_limiter")
        with pytest.raises(StoreUnavailable, match="another transaction kept it locked"):
            store.get(ingestion.id)

    with closing(SQLStore(settings(store=address, store_timeout=0.5))) as store, closing(somebody):
        store.ping()
        somebody.define(held)
        assert store.get(ingestion.id).id_count == 1
