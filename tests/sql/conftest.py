"""Stores on separate databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import settings


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ingest.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


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
