"""An app whose queue a test drains by hand: the worker stays off unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.host import Host


@pytest.fixture
def serve() -> Iterator[Callable[..., Host]]:
    """Makes a host with the settings given; `autostart=True` lets its worker run."""
    hosts: list[Host] = []

    def make(processor: Callable[..., Any] | None = None, **more: Any) -> Host:
        hosts.append(Host(processor, **{"autostart": False, **more}))
        return hosts[-1]

    yield make
    for host in hosts:
        host.ingestion.stop(0)


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    return serve()
