"""A PostgreSQL with durable commits."""

from __future__ import annotations

import os
from collections.abc import Iterator

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
