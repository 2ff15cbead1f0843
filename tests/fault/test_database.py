"""A database that goes away and comes back, a full disk, a read-only file."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.sql.store import SQLStore
from tests.fault.cluster import CONCURRENCY, Cluster, assert_sound
from tests.support.host import eventually
from tests.support.postgres import Postgres
from tests.support.queueing import blocked, settings, submit

pytestmark = pytest.mark.realtime


@pytest.fixture
def own_postgres(durable_postgres: Postgres) -> Iterator[Postgres]:
    """The durable server, running again afterwards."""
    yield durable_postgres
    if not durable_postgres.running:
        durable_postgres.start()


def kill_the_postmaster(server: Postgres, folder: Path, times: int) -> None:
    with Cluster(server.new_database(), folder, 2) as cluster:
        for _ in range(times):
            cluster.pass_time(cluster.random.uniform(0.3, 1.5))
            server.kill()
            cluster.pass_time(cluster.random.uniform(0.1, 0.8))
            assert cluster.nodes[0].call("GET", "/livez")[0] == 200
            assert cluster.nodes[0].call("GET", "/readyz")[0] == 503
            server.start()
        account = cluster.drain()
    assert_sound(account, in_flight=times * 2 * CONCURRENCY)
    assert account.refused > 0


def test_a_postmaster_that_is_killed_loses_nothing(own_postgres: Postgres, tmp_path: Path) -> None:
    kill_the_postmaster(own_postgres, tmp_path, 2)


@pytest.mark.soak
def test_a_postmaster_that_is_killed_over_and_over_loses_nothing(own_postgres: Postgres, tmp_path: Path) -> None:
    kill_the_postmaster(own_postgres, tmp_path, 50)


def ask_again_and_again(store: SQLStore, ingestion_id: str) -> None:
    """Because a child of a killed postmaster may answer once more before it notices."""
    for _ in range(1000):
        store.get(ingestion_id)


def test_a_store_survives_the_restart_of_its_server_without_leaking_connections(own_postgres: Postgres) -> None:
    with closing(SQLStore(settings(store=own_postgres.new_database(), store_pool=2, store_timeout=5))) as store:
        for number in range(1, 6):
            ingestion = submit(store, [number])
            own_postgres.kill()
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                ask_again_and_again(store, ingestion.id)
            own_postgres.start()
            assert store.get(ingestion.id).id_count == 1
        assert len(store.ingestions()) == 5
        assert own_postgres.connections() <= 2


def test_a_server_that_answers_nothing_is_given_up(own_postgres: Postgres) -> None:
    address = own_postgres.new_database()
    with closing(SQLStore(settings(store=address))) as store:  # tables take longer than the time-out below
        ingestion = submit(store, [1])
    with closing(SQLStore(settings(store=address, store_timeout=0.5))) as store:
        assert store.get(ingestion.id).id_count == 1
        with own_postgres.frozen(), pytest.raises(StoreUnavailable, match="does not answer"):
            store.get(ingestion.id)
        assert store.get(ingestion.id).id_count == 1


def test_one_caller_at_a_time_waits_for_a_server_that_answers_nothing(own_postgres: Postgres) -> None:
    address = own_postgres.new_database()
    with closing(SQLStore(settings(store=address))) as store:  # tables take longer than the time-out below
        submit(store, [1])
    with closing(SQLStore(settings(store=address, store_timeout=0.5))) as store, ThreadPoolExecutor() as pool:
        submit(store, [2])
        server = store._database._server
        assert server
        with own_postgres.frozen():
            for _ in range(2):  # the silence of the connection that is there, then one that cannot be made
                with pytest.raises(StoreUnavailable):
                    submit(store, [3])
            waits = pool.submit(submit, store, [3])
            eventually(server._trying.locked)
            for call in (lambda: submit(store, [3]), store.ingestions):
                with pytest.raises(StoreUnavailable, match="cannot be reached"):
                    call()
            assert not waits.done()
            with pytest.raises(StoreUnavailable):
                waits.result()
        assert len(submit(store, [3]).id) == 36
        assert len(store.ingestions()) == 3


def test_a_lost_connection_is_one_line_in_the_log(own_postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SQLStore(settings(store=own_postgres.new_database()))) as store:
        ingestion = submit(store, [1])
        own_postgres.kill()
        caplog.clear()
        with pytest.raises(StoreUnavailable):
            ask_again_and_again(store, ingestion.id)
        assert {one.name for one in caplog.records} == {"flask_ingestion"}


def test_a_ctrl_c_while_a_server_answers_nothing_logs_no_trace(
    own_postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SQLStore(settings(store=own_postgres.new_database(), store_timeout=30.0))) as store:
        ingestion = submit(store, [1])

        def ask() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            store.get(ingestion.id)

        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            with own_postgres.frozen():
                began = time.monotonic()
                with pytest.raises(KeyboardInterrupt):
                    ask()
                assert time.monotonic() - began < 8  # psycopg alone waits for 5 s, twice
        finally:
            signal.signal(signal.SIGALRM, before)
        assert not [one.message for one in caplog.records if one.exc_info]
        assert store.get(ingestion.id).id_count == 1


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """As on a full disk: no file of this process can grow beyond this many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_and_corrupts_nothing(tmp_path: Path) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0))
    accepted = [submit(store, range(1, 1000)).id]
    with no_file_above(400_000):
        detail = ""
        while not detail:
            try:
                accepted.append(submit(store, range(1, 1000)).id)
            except StoreUnavailable as error:
                detail = str(error)
        assert "disk" in detail
        assert store.get(accepted[-1]).id_count == 999
    accepted.append(submit(store, range(1, 1000)).id)
    assert {one.id for one in store.ingestions(limit=1000)} == set(accepted)
    assert isinstance(store.claim(4), list)
    store.close()
    assert _integrity(tmp_path / "ingest.db") == "ok"


def test_a_full_disk_is_known_by_calls_that_would_change_nothing(tmp_path: Path) -> None:
    with closing(SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0))) as store:
        assert blocked(store).reason == "empty"
        with no_file_above(1):
            for call in (lambda: submit(store, [1]), store.ping, lambda: store.claim(1), store.ping):
                with pytest.raises(StoreUnavailable, match="disk"):
                    call()
        store.ping()
        assert store.trouble is None
        assert blocked(store).reason == "empty"


def test_a_read_only_file_refuses_and_can_still_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), Path(name) / "ingest.db"
        writer = SQLStore(settings(store=f"sqlite:///{file}"))
        ingestion = submit(writer, [1, 2, 3])
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        with _not_root():
            reader = SQLStore(settings(store=f"sqlite:///{file}"))
            assert reader.get(ingestion.id).id_count == 3
            with pytest.raises(StoreUnavailable, match="read-only"):
                submit(reader, [4])
            reader.close()
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o644)
        assert len(writer.ingestions()) == 1
        writer.close()
        assert _integrity(file) == "ok"


@contextmanager
def _not_root() -> Iterator[None]:
    """Root may write regardless of the mode."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def _integrity(file: Path) -> str:
    connection = sqlite3.connect(file)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
