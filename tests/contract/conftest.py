"""One suite, every store: each test here runs over all of them, on time that a test controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from app.memorystore import MemoryStore
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import settings

# A fixture here is made once for all examples of a property, on purpose: each example makes its own store.
hypothesis_settings.register_profile(
    "contract",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("contract")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def new_store(clock: FakeClock) -> Iterator[Callable[..., Store]]:
    """Makes an empty store with the settings given."""
    stores: list[Store] = []

    def make(**changes: Any) -> Store:
        stores.append(MemoryStore(settings(**changes), clock))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(new_store: Callable[..., Store]) -> Store:
    return new_store()
