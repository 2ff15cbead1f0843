"""What tests of every kind may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.postgres import Postgres, Unavailable


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole session; it does not wait for the disk, which its tests do not need."""
    try:
        server = Postgres(fsync="off", synchronous_commit="off", full_page_writes="off")
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a PostgreSQL: {error}")
        pytest.skip(str(error))
    yield server
    server.stop()
