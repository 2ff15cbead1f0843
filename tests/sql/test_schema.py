"""How the tables are created, and who may use them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from app.core import Wait
from app.core.clock import SystemClock
from app.core.models import BatchError, Priority
from app.errors import ConfigError, UnknownIngestion
from app.sql.schema import REVISION
from app.sql.store import SQLStore
from app.sql.tables import revision_of, upgrade_tables
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.queueing import claimed, estimate_of, retry, settings, submit

Open = Callable[..., SQLStore]


@pytest.fixture
def tables() -> bool:
    return False


def test_ten_that_start_at_once_make_one_schema(open_sql: Open) -> None:
    stores, failed, start = [open_sql() for _ in range(10)], [], threading.Barrier(10)

    def begin(store: SQLStore) -> None:
        start.wait()
        try:
            submit(store, [1])
        except Exception as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=begin, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(one.order for one in stores[0].ingestions()) == list(range(1, 11))


def test_leaving_what_was_never_used_makes_no_tables(open_sql: Open, database: str) -> None:
    open_sql().leave("nobody")
    engine = create_engine(database)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.ingestions(),
        lambda store: store.outbox.of("nobody"),
        lambda store: store.sweeps.get("nothing"),
        lambda store: store.sweeps.latest(9),
        lambda store: sum(store.prune()),
    ],
)
def test_whatever_is_asked_first_finds_nothing(open_sql: Open, ask: Callable[[SQLStore], object]) -> None:
    assert not ask(open_sql())


@pytest.mark.parametrize("ask", [lambda store: store.get("nobody"), lambda store: store.finder.at("nobody", 0)])
def test_whoever_is_asked_for_first_is_not_known(open_sql: Open, ask: Callable[[SQLStore], object]) -> None:
    with pytest.raises(UnknownIngestion):
        ask(open_sql())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ingest_version SET version = 99", "holds tables of version 99, made by a newer release"),
        (
            "DELETE FROM ingest_version",
            "holds tables without their version, as a restore of the schema alone",
        ),
    ],
)
def test_tables_that_cannot_be_its_own_are_left_alone(open_sql: Open, database: str, change: str, said: str) -> None:
    open_sql().ping()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    with pytest.raises(ConfigError, match=f"INGEST_STORE {said}"):
        open_store(settings(store=database), SystemClock(), "ingest")


def test_instances_share_a_database_without_seeing_each_other(open_sql: Open) -> None:
    one, two = open_sql(), open_sql(name="other")
    ingestion = submit(one, [1, 2, 3])
    with pytest.raises(UnknownIngestion):
        two.get(ingestion.id)
    assert two.ingestions() == []
    assert two.claim(5) == Wait(2.0, "empty")
    two.pause()
    assert submit(two, [1]).order == 1
    assert len(claimed(one)) == 1
    assert two.dispatches(10) == []


def test_the_log_is_trimmed_at_every_hundredth_start(open_sql: Open) -> None:
    store, unbounded = open_sql(interval=0, dispatch_log=7), open_sql(dispatch_log=10_000)
    submit(store, range(1, 1000))
    started = 0
    while started < 330:
        before, started = started, started + len(claimed(store, 1 + started % 4))
        if started // 100 > before // 100:
            assert [one.position for one in unbounded.dispatches(1000)] == list(range(started))[-7:]


def test_another_aging_puts_what_waits_in_its_new_order(open_sql: Open, clock: FakeClock) -> None:
    strict = open_sql(interval=0)
    low = submit(strict, range(1, 4), Priority.LOW)
    clock.advance(100)
    high = submit(strict, range(1, 4), Priority.HIGH)
    again = estimate_of(strict, low.id)
    assert again is not None
    assert again.batches_ahead == 1
    aged = open_sql(interval=0, priority_aging=10)
    after = estimate_of(aged, high.id)
    assert after is not None
    assert after.batches_ahead == 1
    assert [claim.batch.ingestion_id for claim in claimed(aged, 2)] == [low.id, high.id]


def test_after_it_what_is_urgent_still_overtakes_what_is_a_little_older(open_sql: Open, clock: FakeClock) -> None:
    strict = open_sql(interval=0)
    low = submit(strict, [1], Priority.LOW)
    clock.advance(15)
    medium, high = submit(strict, [1], Priority.MEDIUM), submit(strict, [1], Priority.HIGH)
    aged = open_sql(interval=0, priority_aging=10)
    # They rank 30, 35 and 25 s after the first one came.
    assert [claim.batch.ingestion_id for claim in claimed(aged, 3)] == [high.id, low.id, medium.id]


def test_it_puts_what_goes_again_in_its_new_order_too(open_sql: Open, clock: FakeClock) -> None:
    strict = open_sql(interval=0)
    low = submit(strict, [1], Priority.LOW)
    clock.advance(100)
    high = submit(strict, [1], Priority.HIGH)
    for claim in claimed(strict, 2):
        retry(strict, claim, BatchError("Odd", "not yet"), 0.0)
    aged = open_sql(interval=0, priority_aging=10)
    assert [claimed(aged)[0].batch.ingestion_id for _ in range(2)] == [low.id, high.id]


def test_an_aging_that_is_taken_back_puts_it_in_the_old_order(open_sql: Open, clock: FakeClock) -> None:
    strict = open_sql(interval=0)
    low = submit(strict, range(1, 4), Priority.LOW)
    clock.advance(100)
    high = submit(strict, range(1, 4), Priority.HIGH)
    open_sql(interval=0, priority_aging=10).ping()
    again = open_sql(interval=0)
    assert [claim.batch.ingestion_id for claim in claimed(again, 2)] == [high.id, low.id]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://host/db", "must be memory://, sqlite:///… or postgresql"),
        ("postgresql+asyncpg://host/db", "names postgresql\\+asyncpg://"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder, which is not a directory"),
        ("sqlite:///x.db?foo=bar", "has foo after a \\?; a file takes no options"),
        ("postgresql://host/db?foo=bar", "has foo after a \\?, which is no option"),
        ("postgresql://u:pass@wo/rd@host/db", "has an @ too many: one in a name or password is written %40\\.$"),
        ("postgresql://u:pass@word@host/db", "has an @ too many: one in a name or password is written %40\\.$"),
    ],
)
def test_a_wrong_address_is_refused_with_what_would_be_right(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"MY_STORE.*{message}"):
        open_store(settings(store=address), SystemClock(), "my")


def test_memory_has_no_tables_and_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="STORE is memory://, which has no tables"):
        revision_of("memory://", "STORE")
    with pytest.raises(ConfigError, match="STORE is not a database address, such as sqlite"):
        revision_of("nowhere", "STORE")
    address = f"sqlite:///{tmp_path}/none.db"
    assert revision_of(address, "STORE") is None
    assert list(tmp_path.iterdir()) == []
    assert upgrade_tables(address, "STORE") is None
    assert revision_of(address, "STORE") == upgrade_tables(address, "STORE") == REVISION


def test_a_store_that_is_closed_leaves_its_file_alone(tmp_path: Path) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db"))
    submit(store, [1])
    assert len(list(tmp_path.iterdir())) > 1
    store.close()
    # SQLite's log goes with the last connection.
    assert [file.name for file in tmp_path.iterdir()] == ["ingest.db"]


def test_a_database_that_is_not_there_yet_stops_no_start(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    address = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    store = open_store(settings(store=address), SystemClock(), "ingest")
    store.close()
    assert "cannot be used yet" in caplog.text
    (tmp_path / "not.db").write_bytes(b"this is no database" * 100)
    store = open_store(settings(store=f"sqlite:///{tmp_path}/not.db"), SystemClock(), "ingest")
    store.close()
    assert "The store's file is not a database." in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="files have no modes here")
class TestTheFileOfASqliteStore:
    def test_is_made_for_its_owner_alone_with_its_log(self, tmp_path: Path) -> None:
        store = open_store(settings(store=f"sqlite:///{tmp_path}/queue.db"), SystemClock(), "ingest")
        submit(store, [1])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        store.close()
        assert modes == {"queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600}

    def test_that_others_can_read_is_warned_of(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = tmp_path / "queue.db"
        file.touch(mode=0o644)
        file.chmod(0o644)
        open_store(settings(store=f"sqlite:///{file}"), SystemClock(), "ingest").close()
        assert f"{file} holds results and is open to other users (mode 644)" in caplog.text
        caplog.clear()
        file.chmod(0o600)
        open_store(settings(store=f"sqlite:///{file}"), SystemClock(), "ingest").close()
        assert "open to other users" not in caplog.text
