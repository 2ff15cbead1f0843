"""Ids that are strings, in every store, beside ingestions of integers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Ingestion, Strings
from app.core.models import LOST, BatchError, Priority, Status
from app.errors import QuotaFull
from app.store import Store, Submission
from app.web.documents import result_lines
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, retry, submit

ODD = ["a,b", '"', "\\", "]", "a/b", "..", "%2F", "\u00fc", "\U0001f600", "0", "007", "null", "x" * 200]
BOOM = BatchError("RuntimeError", "boom")


def submit_strings(store: Store, ids: Sequence[str], priority: Priority = Priority.MEDIUM, **more: Any) -> Ingestion:
    return store.add(Submission(Strings.of(ids), priority, **more))[0]


def batched(ids: Sequence[str], size: int = 3) -> list[list[str]]:
    return [list(ids[at : at + size]) for at in range(0, len(ids), size)]


def test_they_come_out_as_they_went_in(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit_strings(store, ODD)
    assert [batch.ids for batch, _ in store.upcoming(10)] == batched(ODD)
    assert [batch.ids for batch in store.batches(ingestion.id)[1]] == batched(ODD)
    claims = claimed(store, 10)
    assert [claim.batch.ids for claim in claims] == batched(ODD)
    for claim in claims:
        finish(store, claim, '"x"')
    assert list(store.results(ingestion.id)) == [(one, '"x"') for one in ODD]
    lines = "".join(result_lines(store.results(ingestion.id))).splitlines()
    assert [json.loads(line) for line in lines] == [{"id": one, "data": "x"} for one in ODD]
    assert [batch.ids for batch in store.status(ingestion.id, 2, 2)[2]] == batched(ODD)[2:4]


IDS = st.lists(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=9), min_size=1, max_size=30)


@given(ids=IDS, size=st.integers(1, 4), count=st.integers(1, 5))
def test_every_id_is_delivered_once_and_in_order(
    new_store: Callable[..., Store], ids: list[str], size: int, count: int
) -> None:
    store = new_store(interval=0, batch_size=size)
    ingestion = submit_strings(store, ids)
    delivered: list[str] = []
    while store.get(ingestion.id).status is not Status.COMPLETED:
        for claim in claimed(store, count):
            delivered += [str(one) for one in claim.batch.ids]
            finish(store, claim)
    assert delivered == ids
    assert [one for one, _ in store.results(ingestion.id)] == ids


def test_each_ingestion_has_ids_of_its_own_kind(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    low = submit(store, range(1, 6), Priority.LOW)
    high = submit_strings(store, ["1", "2", "3", "4"], Priority.HIGH)
    assert [batch.ids for batch, _ in store.upcoming(10)] == [["1", "2", "3"], ["4"], [1, 2, 3], [4, 5]]
    claims = claimed(store, 4)
    assert [claim.batch.ids for claim in claims] == [["1", "2", "3"], ["4"], [1, 2, 3], [4, 5]]
    for claim in claims:
        finish(store, claim, "0")
    assert [one for one, _ in store.results(low.id)] == [1, 2, 3, 4, 5]
    assert [one for one, _ in store.results(high.id)] == ["1", "2", "3", "4"]


def test_retried_lost_and_redriven_they_are_the_same(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, lease=10)
    ingestion = submit_strings(store, ODD[:3])
    retry(store, claimed(store)[0], BOOM, 2.0)
    assert [batch.ids for batch, _ in store.upcoming(1)] == [ODD[:3]]
    clock.advance(2)
    assert claimed(store)[0].batch.ids == ODD[:3]
    clock.advance(10)
    ((lost, _),) = store.recover()
    assert (lost.batch.ids, lost.batch.error) == (ODD[:3], LOST)
    bury(store, claimed(store)[0], BOOM)
    store.redrive(ingestion.id)
    assert claimed(store)[0].batch.ids == ODD[:3]


@pytest.mark.parametrize("ids", [ODD, range(5000)], ids=["strings", "integers"])
def test_each_batch_keeps_to_its_own_whatever_happens(
    new_store: Callable[..., Store], clock: FakeClock, ids: Any
) -> None:
    store = new_store(interval=0, lease=10)
    ingestion = submit(store, ids) if isinstance(ids, range) else submit_strings(store, ids)
    first = batched(list(ids))[:2]
    assert [claim.batch.ids for claim in claimed(store, 2)] == first
    clock.advance(10)
    assert sorted(lost.batch.ids for lost, _ in store.recover()) == sorted(first)
    assert [batch.ids for batch, _ in store.upcoming(2)] == first
    again = claimed(store, 2)
    assert [claim.batch.ids for claim in again] == first
    for claim in again:
        bury(store, claim, BOOM)
    told = [[one for one, _ in failure.ids] for failure in store.failures(ids=True)]
    assert sorted(told) == sorted(first)
    assert [batch.ids for batch in store.batches(ingestion.id, 0, 5, only=Status.FAILED)[1]] == first
    store.redrive(ingestion.id)
    assert [claim.batch.ids for claim in claimed(store, 2)] == first


def test_of_very_many_each_is_at_its_place(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ids = [f"sku-{number}" for number in range(50_000)]
    ingestion = submit_strings(store, ids)
    assert [claim.batch.ids for claim in claimed(store, 5)] == batched(ids[:15])
    assert [batch.ids for batch in store.batches(ingestion.id, 16_660, 7)[1]] == batched(ids[49_980:])
    store.cancel(ingestion.id)


def test_what_ended_is_forgotten(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, retention=10)
    submit_strings(store, ["a"])
    finish(store, claimed(store)[0])
    clock.advance(11)
    assert sum(store.prune()) == 1
    assert store.ingestions() == []


def test_a_quota_counts_them(new_store: Callable[..., Store]) -> None:
    store = new_store(key_quota=3)
    submit_strings(store, ["a", "b"], owner="me")
    with pytest.raises(QuotaFull, match="2 of your ids are waiting and at most 3 may"):
        submit_strings(store, ["c", "d"], owner="me")
