"""Tables of older and newer releases: the data of 0.1.0 is upgraded with nothing lost."""

from __future__ import annotations

import gzip
import io
import json
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, make_url, text

import app.sql.migrations
from app.core.clock import SystemClock
from app.errors import ConfigError, StoreUnavailable
from app.sql.database import Database
from app.sql.migrations import write_sql
from app.sql.schema import REVISION, metadata
from app.sql.tables import upgrade_tables
from app.store import Store
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.host import Host
from tests.support.postgres import Postgres
from tests.support.queueing import claimed, finish, settings

STORES = Path(__file__).parent / "stores"
KINDS = {"sqlite": "v1.sqlite.gz", "postgresql": "v1.postgresql.sql.gz"}


@pytest.fixture
def tables() -> bool:
    return False


@pytest.fixture
def kind(database: str) -> str:
    return make_url(database).get_backend_name()


@pytest.fixture
def old(database: str, kind: str) -> str:
    """The address of a database that version 0.1.0 created."""
    content = gzip.decompress((STORES / KINDS[kind]).read_bytes())
    if kind == "sqlite":
        Path(str(make_url(database).database)).write_bytes(content)
        return database
    # Lines with a backslash are psql commands.
    dump = "\n".join(line for line in content.decode().splitlines() if not line.startswith("\\"))
    with engine_of(database) as engine, engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(dump)
        driver.commit()
    return database


class engine_of:
    """An engine that is disposed of."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def __enter__(self) -> Engine:
        return self.engine

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()


def one(database: str, query: str) -> Any:
    with engine_of(database) as engine, engine.connect() as connection:
        return connection.execute(text(query)).scalar()


@pytest.fixture
def told(kind: str) -> dict[str, Any]:
    """The ingestions that it contained."""
    found: dict[str, Any] = json.loads((STORES / "v1.json").read_text())[kind]
    return found


@pytest.fixture
def upgraded(old: str, serve: Callable[..., Host]) -> Iterator[Host]:
    """A host on that database, at the time at which it was left."""
    clock = FakeClock(one(old, "SELECT latest FROM ingest_limiter"))
    host = serve(clock=clock, store=old, autostart=False)
    yield host
    host.store.close()


class TestOfTheFirstRelease:
    def test_every_ingestion_is_as_it_was(self, upgraded: Host, told: dict[str, Any], old: str) -> None:
        assert one(old, "SELECT version_num FROM ingest_revision") == REVISION
        for name, was in told.items():
            found = upgraded.client.get(f"/status/{was['ingestion_id']}").json
            assert found, name
            assert (found["status"], found["counts"]) == (was["status"], was["counts"]), name
            assert [id_ for batch in found["batches"] for id_ in batch["ids"]] == was["ids"], name
        queue = upgraded.client.get("/queue").json
        assert queue
        assert queue["paused"]
        assert queue["rate"]["rate_since"] == upgraded.clock.now()  # nobody knows what it was

    def test_everything_that_waits_is_drained(self, upgraded: Host, told: dict[str, Any]) -> None:
        store, clock = upgraded.store, upgraded.clock
        store.resume()
        store.recover()
        clock.advance(7200)
        while upgraded.store.stats().waiting_on != "empty":
            clock.advance(5)
            for lost, _ in store.recover():
                assert lost.batch.ingestion_id in {was["ingestion_id"] for was in told.values()}
            for claim in claimed(store):
                finish(store, claim, ['"done"'] * len(claim.batch.ids))
        ends = {name: store.get(was["ingestion_id"]).status.value for name, was in told.items()}
        assert ends == {
            "done": "completed",
            "fail": "failed",
            "retry": "completed",
            "keyed": "completed",
            "big": "completed",
            "gone": "cancelled",
        }

    def test_the_keyed_submit_is_known(self, upgraded: Host, told: dict[str, Any]) -> None:
        before = len(upgraded.store.ingestions())
        priority = upgraded.store.get(told["keyed"]["ingestion_id"]).priority.name
        answer = upgraded.client.post(
            "/ingest", json={"ids": told["keyed"]["ids"], "priority": priority}, headers={"Idempotency-Key": "once"}
        )
        assert answer.json == {"ingestion_id": told["keyed"]["ingestion_id"]}
        assert len(upgraded.store.ingestions()) == before

    def test_with_store_upgrade_off_a_sentence_says_what_to_run(self, old: str) -> None:
        with pytest.raises(ConfigError, match=r"holds tables of revision 0001.*run `flask-ingestion db upgrade` with"):
            open_store(settings(store=old, store_upgrade=False), SystemClock(), "ingest")

    @pytest.mark.usefixtures("upgraded")
    def test_its_processes_go_on_beside_newer_ones(self, old: str) -> None:
        """Older processes read this number when they start, and use these columns whenever they write."""
        assert one(old, "SELECT version FROM ingest_version") == 1
        with engine_of(old) as engine, engine.begin() as connection:
            connection.execute(text("INSERT INTO ingest_limiter (name, aging) VALUES ('another', 0)"))

    def test_a_step_that_fails_changes_nothing(self, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
        original = Operations.create_table  # type: ignore[attr-defined]

        def create_and_fail(self: Operations, *arguments: Any, **more: Any) -> None:
            original(self, *arguments, **more)
            raise RuntimeError("the disk is gone")

        monkeypatch.setattr(Operations, "create_table", create_and_fail)
        with pytest.raises(RuntimeError, match="the disk is gone"):
            open_store(settings(store=old), SystemClock(), "ingest")
        monkeypatch.undo()
        with engine_of(old) as engine, engine.connect() as connection:
            tables = engine.dialect.get_table_names(connection)
        assert not {"ingest_revision", "ingest_workers"} & set(tables)
        open_store(settings(store=old), SystemClock(), "ingest").close()
        assert one(old, "SELECT version_num FROM ingest_revision") == REVISION


def start_together(database: str, count: int) -> None:
    """Open a store in several processes at once."""
    source = "import sys; sys.stdin.read(1); from app.wiring import open_store; from app.core import SystemClock\n"
    source += "from app.config import Settings; keys = {'INGEST_STORE': sys.argv[1], 'INGEST_STORE_TIMEOUT': 60}\n"
    source += "store = open_store(Settings.read(keys), SystemClock(), 'ingest'); store.ping(); store.close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", source, database],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(count)
    ]
    said = [""] * count

    def wait(number: int) -> None:
        said[number] = processes[number].communicate("g", timeout=60)[1]

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0] * count, said
    assert sum("are upgraded" in one for one in said) <= 1, said
    assert not any("cannot be used" in one for one in said), said


def test_processes_that_start_together_make_the_tables_once(database: str) -> None:
    start_together(database, 4)
    assert one(database, "SELECT version_num FROM ingest_revision") == REVISION


def test_processes_that_start_together_upgrade_once(old: str) -> None:
    start_together(old, 4)
    assert one(old, "SELECT version_num FROM ingest_revision") == REVISION


@pytest.fixture
def made(database: str) -> Iterator[Engine]:
    open_store(settings(store=database), SystemClock(), "ingest").close()
    with engine_of(database) as engine:
        yield engine


def test_the_steps_lead_to_the_tables_that_the_store_uses(made: Engine) -> None:
    with made.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "ingest_revision", "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.usefixtures("upgraded")
def test_the_upgraded_tables_are_those_of_a_new_database(old: str) -> None:
    with engine_of(old) as engine, engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "ingest_revision", "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_revision_named_in_the_schema_is_the_last_step() -> None:
    script = ScriptDirectory(str(Path(app.sql.migrations.__file__).parent))
    assert script.get_current_head() == REVISION
    numbers = [step.revision for step in script.walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)


def test_tables_of_a_later_release_with_more_columns_are_used(made: Engine, database: str) -> None:
    with made.begin() as connection:
        connection.execute(text("UPDATE ingest_revision SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE ingest_limiter ADD COLUMN colour TEXT"))
    open_store(settings(store=database), SystemClock(), "another").close()
    assert one(database, "SELECT version_num FROM ingest_revision") == "9999"


def test_a_migration_of_the_hosts_own_is_left_alone(database: str) -> None:
    with engine_of(database) as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('host')"))
    open_store(settings(store=database), SystemClock(), "ingest").close()
    assert one(database, "SELECT version_num FROM alembic_version") == "host"


@pytest.mark.usefixtures("made")
def test_where_nothing_changes_alembic_is_not_imported(database: str) -> None:
    source = "import sys; from app.wiring import open_store; from app.core import SystemClock\n"
    source += "from app.config import Settings; settings = Settings.read({'INGEST_STORE': sys.argv[1]})\n"
    source += "open_store(settings, SystemClock(), 'ingest').close(); assert 'alembic' not in sys.modules"
    subprocess.run([sys.executable, "-c", source, database], check=True, cwd=Path(__file__).parents[2])


def test_a_new_database_is_made_in_more_time_than_a_call_has(postgres: Postgres) -> None:
    """The first process imports Alembic meanwhile, which takes longer than that."""
    source = "import sys; from app.sql.store import SQLStore; from app.config import Settings\n"
    source += "settings = Settings.read({'INGEST_STORE': sys.argv[1], 'INGEST_STORE_TIMEOUT': '0.1'})\n"
    source += "SQLStore(settings).prepare()"
    address = postgres.new_database()
    subprocess.run([sys.executable, "-c", source, address], check=True, cwd=Path(__file__).parents[2])
    assert one(address, "SELECT version_num FROM ingest_revision") == REVISION


@pytest.mark.parametrize("since", [None, "0001"])
def test_the_sql_makes_the_same_tables(since: str | None, request: pytest.FixtureRequest, database: str) -> None:
    address = database if since is None else request.getfixturevalue("old")
    written = io.StringIO()
    kind = make_url(address).get_backend_name()
    write_sql(kind, since, written)
    if kind == "sqlite":
        connection = sqlite3.connect(str(make_url(address).database))
        connection.executescript(written.getvalue())
        connection.close()
    else:
        with engine_of(address) as engine, engine.connect() as raw:
            driver: Any = raw.connection.driver_connection
            driver.autocommit = True
            driver.execute(written.getvalue())
    assert one(address, "SELECT version_num FROM ingest_revision") == REVISION
    with engine_of(address) as engine, engine.connect() as raw:
        context = MigrationContext.configure(raw, opts={"version_table": "ingest_revision"})
        assert compare_metadata(context, metadata) == []
    open_store(settings(store=address, store_upgrade=False), SystemClock(), "ingest").close()


def test_the_sql_from_a_revision_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="9999"):
        write_sql("sqlite", "9999", io.StringIO())


def test_an_upgrade_is_logged(old: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flask_ingestion"):
        open_store(settings(store=old), SystemClock(), "ingest").close()
    assert f"upgraded from revision 0001 to {REVISION}" in caplog.text


class TestTablesFoundOnlyOnceTheProcessRuns:
    """A database that cannot be reached stops no start; what it holds is known later."""

    @pytest.fixture
    def late(self, old: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        def away(*_: object) -> None:
            raise StoreUnavailable("The store cannot be reached.")

        with monkeypatch.context() as patch:
            patch.setattr(Database, "define", away)
            store = open_store(settings(store=old, store_upgrade=False), SystemClock(), "ingest")
        yield store
        store.close()

    @pytest.mark.parametrize(
        "call",
        [lambda store: store.ping(), lambda store: store.claim(1), lambda store: store.ingestions()],
        ids=["ping", "claim", "ingestions"],
    )
    def test_a_refusal_says_what_to_run(self, late: Store, call: Callable[[Store], object]) -> None:
        with pytest.raises(StoreUnavailable, match="run `flask-ingestion db upgrade`"):
            call(late)

    def test_after_an_upgrade_it_goes_on(self, late: Store, old: str, told: dict[str, Any]) -> None:
        with pytest.raises(StoreUnavailable):
            late.ping()
        upgrade_tables(old, "INGEST_STORE")
        assert late.get(told["big"]["ingestion_id"]).status.value == "yet_to_start"
