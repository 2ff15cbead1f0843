"""An app whose queue a test drains by hand: the worker stays off unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.host import Host


@pytest.fixture
def serve(serve: Callable[..., Host]) -> Callable[..., Host]:
    """Makes a host with the settings given; `autostart=True` lets its worker run."""
    return partial(serve, autostart=False)


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    return serve()
