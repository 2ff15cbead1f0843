"""What tests of every kind may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import Postgres, Unavailable

# No deadline, for a busy machine is not a defect. A fixture is made once for all examples of a property, on purpose:
# each example makes its own store.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("suite"), max_examples=1000)
settings.load_profile("suite")


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
