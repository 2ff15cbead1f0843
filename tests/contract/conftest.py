"""One suite for every store: each test here runs over all of them, on a clock that the test controls."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from app.store import Store
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.queueing import settings

_numbers = itertools.count(1)
_EXAMPLES = {"sqlite": 5, "postgresql": 3}
"""Examples per property on the databases, where each takes a hundred times as long as in memory."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run the properties with fewer examples on the databases; there is no public way to do that per parameter."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and hasattr(item.obj, "hypothesis"):
        kind = callspec.params.get("address", callspec.params.get("database"))
        examples = getattr(item.module, "EXAMPLES", _EXAMPLES).get(kind, 60)
        item.obj._hypothesis_internal_use_settings = hypothesis_settings(max_examples=examples)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session", params=["memory", "sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The value of STORE. These databases do not wait for a disk; those in tests/fault do."""
    if request.param == "memory":
        yield "memory://"
    elif request.param == "sqlite":
        memory = Path("/dev/shm")
        with tempfile.TemporaryDirectory(prefix="ingest-", dir=memory if memory.is_dir() else None) as folder:
            yield f"sqlite:///{folder}/ingest.db"
    else:
        yield request.getfixturevalue("postgres").url


@pytest.fixture
def new_store(clock: FakeClock, address: str) -> Iterator[Callable[..., Store]]:
    """Makes an empty store with the given settings; in a database, each is a separate instance."""
    stores: list[Store] = []

    def make(**changes: Any) -> Store:
        name = f"test{next(_numbers)}"
        # A schedule under a quota takes days, and what is forgotten cannot be checked.
        chosen = settings(**{"store": address, "store_poll": 0, "retention": 1e8} | changes)
        stores.append(open_store(chosen, clock, name))
        if len(stores) > 8:
            stores.pop(0).close()
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(new_store: Callable[..., Store]) -> Store:
    return new_store()
