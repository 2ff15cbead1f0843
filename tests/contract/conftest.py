"""One suite, every store: each test here runs over all of them, on time that a test controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.memorystore import MemoryStore
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import settings


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
