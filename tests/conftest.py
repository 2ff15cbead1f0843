"""What tests of every kind may ask for."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.host import Host
from tests.support.postgres import Postgres, Unavailable

# Where images of containers turn this on, each process that a test starts would compile the package anew: 2 s of the
# processor, which is otherwise half a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No deadline, for a busy machine is not a defect. A fixture is made once for all examples of a property, on purpose:
# each example makes its own store.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("suite"), max_examples=1000)
# For tools/mutate.py, which has to come to the same figure twice, and is content with any example that fails.
settings.register_profile(
    "mutation",
    settings.get_profile("suite"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("suite")


GROUPS = ("realtime", "browser", "packaging", "postgres")
"""Tests that keep to one process when there are several, the longest first; see `group_of`."""


def group_of(item: pytest.Item) -> str | None:
    """What waits for real time must not disturb its like; the others share what takes long to start."""
    if item.get_closest_marker("realtime"):
        return "realtime"
    names = set(getattr(item, "fixturenames", ()))
    for group, fixture in (("browser", "browser"), ("packaging", "wheel"), ("postgres", "postgres")):
        if fixture in names:
            return group
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return "postgres" if "postgresql" in parameters.values() else None


def pytest_unconfigure() -> None:
    # As the process ends, the queues that tests have left would say on the terminal what is lost with them.
    logging.getLogger("flask_ingestion").addHandler(logging.NullHandler())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # What is collected stays; to search it for garbage again and again takes a third of the time.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, in its processes, reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))
    rank = {group: number for number, group in enumerate(GROUPS)}
    items.sort(key=lambda item: rank.get(group_of(item) or "", len(rank)))


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


@pytest.fixture
def serve() -> Iterator[Callable[..., Host]]:
    """Makes a host with the settings given, whose worker runs unless told otherwise."""
    hosts: list[Host] = []

    def make(processor: Callable[..., Any] | None = None, **more: Any) -> Host:
        hosts.append(Host(processor, **more))
        return hosts[-1]

    yield make
    for host in hosts:
        host.ingestion.stop(0)
