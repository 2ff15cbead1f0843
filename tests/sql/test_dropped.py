"""A store that nobody refers to any more, as after a host's tests have made an app each."""

from __future__ import annotations

import gc
import warnings

from app.core.clock import SystemClock
from app.wiring import open_store
from tests.support.queueing import settings


def test_it_closes_its_connections(database: str) -> None:
    store = open_store(settings(store=database), SystemClock(), "ingest")
    store.ping()
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del store
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
