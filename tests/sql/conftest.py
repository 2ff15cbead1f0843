"""Stores on separate databases, copied from one in which the tables were made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.store import SQLStore
from app.sql.tables import upgrade_tables
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import settings


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, and no queue."""
    file = tmp_path_factory.mktemp("sqlite") / "tables.db"
    upgrade_tables(f"sqlite:///{file}", "STORE")
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> str:
    """The name of a database with the tables, and no queue."""
    address = postgres.new_database()
    upgrade_tables(address, "STORE")
    return address.rpartition("/")[2]


@pytest.fixture
def tables() -> bool:
    """Whether the tables are in the database; to make them in each takes longer than most tests."""
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, tables: bool) -> str:
    """The address of a database, without any queue."""
    if request.param == "sqlite":
        file = tmp_path / "ingest.db"
        if tables:
            shutil.copy(request.getfixturevalue("sqlite_tables"), file)
        return f"sqlite:///{file}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(request.getfixturevalue("postgres_tables") if tables else "template1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_sql(database: str, clock: FakeClock) -> Iterator[Callable[..., SQLStore]]:
    """Opens the database a second time, as another process would."""
    stores: list[SQLStore] = []

    def make(*, name: str = "ingest", real_time: bool = False, **changes: Any) -> SQLStore:
        stores.append(SQLStore(settings(store=database, **changes), None if real_time else clock, name))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def rows(database: str) -> Iterator[Callable[[Any], int]]:
    """Counts the rows of a table."""
    raw = Database(parse_url(database, "STORE"), 1, 2.0)
    yield lambda table: int(raw.glance(select(func.count()).select_from(table), {})[0])
    raw.close()
