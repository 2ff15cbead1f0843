"""Databases that can be read and take no changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core import BatchError
from app.errors import StoreUnavailable
from app.sql.store import SQLStore
from tests.support.queueing import blocked, bury, claimed, submit
from tests.support.unwritable import unwritable

Open = Callable[..., SQLStore]


def test_it_is_told_until_a_change_is_taken_again(open_sql: Open) -> None:
    store = open_sql(interval=0)
    submit(store, [1])
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    assert store.trouble is None
    with unwritable(store):
        with pytest.raises(StoreUnavailable, match="read-only"):
            submit(store, [2])
        assert "read-only" in str(store.trouble)
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.ping()
        assert (store.stats().failed, len(list(store.failures())), len(store.ingestions())) == (1, 1, 1)
    store.ping()
    assert store.trouble is None
    assert submit(store, [2]).order == 2


def test_it_is_found_out_by_a_claim_that_would_change_nothing(open_sql: Open) -> None:
    store = open_sql(interval=0)
    assert blocked(store).reason == blocked(store).reason == "empty"
    with unwritable(store):
        with pytest.raises(StoreUnavailable):
            submit(store, [1])
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="read-only"):
                store.claim(1)
    assert blocked(store).reason == "empty"
    assert store.trouble is None
