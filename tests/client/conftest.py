"""Both clients, one suite: AsyncClient blocks here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.client import Client
from tests.support.blocking import BlockingClient
from tests.support.sleeper import Sleeper


@pytest.fixture
def clock() -> Sleeper:
    return Sleeper()


@pytest.fixture(params=[Client, BlockingClient])
def client(clock: Sleeper, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes a client for a URL, whose waits take no time."""
    return lambda url, **more: request.param(url, clock=clock, **more)
