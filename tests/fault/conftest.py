"""A PostgreSQL that keeps what it said it kept."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.postgres import Postgres, Unavailable


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Postgres]:
    """With PostgreSQL's own settings, which wait for the disk with every commit."""
    try:
        server = Postgres()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a PostgreSQL: {error}")
        pytest.skip(str(error))
    yield server
    server.stop()
