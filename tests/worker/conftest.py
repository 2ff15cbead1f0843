"""What the tests of the worker may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.host import Host
from tests.support.troubled import TroubledStore
from tests.support.working import Gate

Serve = Callable[..., Host]


@pytest.fixture
def troubled(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """As `serve`, over a TroubledStore."""
    monkeypatch.setattr("app.extension.open_store", lambda settings, clock, _: TroubledStore(settings, clock))
    return serve


@pytest.fixture
def gate() -> Any:
    gate = Gate()
    yield gate
    gate.opened.set()
