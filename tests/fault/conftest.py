"""Stores that wait for the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Postgres, Unavailable


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Postgres]:
    """With PostgreSQL's default settings, which wait for the disk at every commit."""
    try:
        server = Postgres()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a PostgreSQL: {error}")
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, durable."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ingest.db"
    server: Postgres = request.getfixturevalue("durable_postgres")
    return server.new_database()
