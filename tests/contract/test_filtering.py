"""The batches of one ingestion in one status."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import BatchError, Priority, Status, Strings
from app.outcomes import Outcome
from app.store import Store, Submission
from tests.support.queueing import bury, claimed, ended, finish, retry, submit
from tests.support.simulation import BOOM

IDS: list[list[Any]] = [list(range(100, 123)), [f"SKU {number}" for number in range(23)]]


def mixed(store: Store, ids: list[Any], *, cancel: bool) -> str:
    """Returns an ingestion whose eight batches are in all states there are."""
    packed = array("q", ids) if isinstance(ids[0], int) else Strings.of(ids)
    ingestion, _ = store.add(Submission(packed, Priority.HIGH))
    done, failed, waits, _, partly = claimed(store, 5)
    finish(store, done)
    bury(store, failed, BOOM)
    ended(store, partly, Outcome.ack(['"a"', BatchError("Failed", "gone"), '"c"']))
    store.redrive(ingestion.id)
    (again, *_) = claimed(store, 1)
    bury(store, again, BOOM)
    retry(store, waits, BOOM, 60)
    if cancel:
        store.cancel(ingestion.id)
    return ingestion.id


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("ids", IDS, ids=["integers", "strings"])
def test_a_filtered_page_has_what_the_whole_has_in_that_status(
    new_store: Callable[..., Store], ids: list[Any], *, cancel: bool
) -> None:
    store = new_store(interval=0, concurrency=9)
    ingestion_id = mixed(store, ids, cancel=cancel)
    ingestion, whole = store.batches(ingestion_id)
    for status in Status:
        wanted = [batch for batch in whole if batch.status is status]
        assert len(wanted) == ingestion.counts._asdict()[status.value]
        for offset in range(len(wanted) + 2):
            for limit in (None, 0, 1, 2, 50):
                page = wanted[offset:][:limit]
                assert list(store.batches(ingestion_id, offset, limit, only=status)[1]) == page
                assert list(store.status(ingestion_id, offset, limit, only=status)[2]) == page


@given(data=st.data())
def test_pages_of_a_filter_join_to_the_whole(new_store: Callable[..., Store], data: st.DataObject) -> None:
    store = new_store(interval=0, concurrency=9)
    ingestion = submit(store, list(range(data.draw(st.integers(1, 40)))))
    for claim in claimed(store, min(9, ingestion.batch_count)):
        how = data.draw(st.sampled_from(["finish", "fail", "run"]))
        if how == "finish":
            finish(store, claim)
        elif how == "fail":
            bury(store, claim, BOOM)
    status, size = data.draw(st.sampled_from(Status)), data.draw(st.integers(1, 4))
    found, offset = [], 0
    while page := list(store.batches(ingestion.id, offset, size, only=status)[1]):
        found += page
        offset += size
    assert found == [batch for batch in store.batches(ingestion.id)[1] if batch.status is status]
