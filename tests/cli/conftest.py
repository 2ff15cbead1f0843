"""A service to speak to, whose batches hold whole squares, and waiting that takes no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from app import PermanentError
from app.core.clock import SystemClock
from tests.support.cli import Service
from tests.support.host import Host
from tests.support.sleeper import Sleeper


def process(ids: Sequence[int]) -> dict[int, Any]:
    """Fails for good where a batch holds 13."""
    if 13 in ids:
        raise PermanentError("13 is bad luck")
    return {number: {"square": number * number} for number in ids}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.base.SystemClock", Sleeper)


@pytest.fixture
def serve(serve: Callable[..., Host]) -> Callable[..., Host]:
    """Makes a host with the settings given; `autostart=True` lets its worker run."""
    return partial(serve, autostart=False)


@pytest.fixture
def service(serve: Callable[..., Host]) -> Iterator[Service]:
    service = Service(serve(process, clock=SystemClock(), autostart=True, interval=0, max_ids=1_000_000))
    yield service
    service.close()
