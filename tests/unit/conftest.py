"""Host apps, each with a running worker unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.host import Host


@pytest.fixture
def serve() -> Iterator[Callable[..., Host]]:
    """Makes a host with the settings given."""
    hosts: list[Host] = []

    def make(processor: Callable[..., Any] | None = None, **more: Any) -> Host:
        hosts.append(Host(processor, **more))
        return hosts[-1]

    yield make
    for host in hosts:
        host.ingestion.stop(0)
