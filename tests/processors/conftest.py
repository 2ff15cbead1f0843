from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.upstream import Exchange, Upstream


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Exchange], None]], Upstream]]:
    """Starts a server with a script; all are stopped after the test."""
    running: list[Upstream] = []

    def start(script: Callable[[Exchange], None]) -> Upstream:
        upstream = Upstream(script)
        upstream.__enter__()
        running.append(upstream)
        return upstream

    yield start
    for upstream in running:
        upstream.__exit__()
