"""What failed, over all ingestions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import BatchError, FailureFilter, Priority, Status, Strings, group_of
from app.outcomes import Outcome
from app.store import Store, Submission
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, ended, submit

from .test_listing import OWNERS, STEPS, act

BOOM = BatchError("ValueError", "boom")
GONE = BatchError("Failed", "no record 7")
FILTERS = st.builds(
    FailureFilter,
    st.none() | st.sampled_from(Priority),
    st.sampled_from(OWNERS),
    st.none(),
    st.none() | st.integers(0, 400).map(lambda after: START + after),
    st.none() | st.integers(0, 400).map(lambda after: START + after),
)


@given(steps=STEPS, where=FILTERS)
def test_they_are_the_failed_batches_whatever_happened(
    new_store: Callable[..., Store], clock: FakeClock, steps: Any, where: FailureFilter
) -> None:
    clock.reset()
    store = new_store(interval=0, retention=300)
    for step, number in steps:
        act(store, clock, step, number)
    wanted = []
    for one in store.ingestions(limit=1000):
        for batch in store.batches(one.id)[1]:
            if batch.status is Status.FAILED and batch.finished_at is not None:
                wanted.append(((batch.finished_at, one.order, batch.position), one, batch))
    wanted.sort(reverse=True)
    found = list(store.failures())
    assert [(one.spot, one.batch_id, one.error, one.owner, one.priority) for one in found] == [
        (spot, batch.id, batch.error, one.owner, one.priority) for spot, one, batch in wanted
    ]
    assert list(store.failures(where)) == [one for one in found if where.takes(one)]
    for failure in store.failures(where, ids=True):
        known = dict(store.results(failure.ingestion_id, failed=True))
        assert failure.ids
        assert all(known[one] == error for one, error in failure.ids)


@pytest.mark.parametrize("ids", [[10, 20, 30, 40], ["a", "b", "c", "d"]], ids=["integers", "strings"])
def test_each_id_that_failed_has_its_error(new_store: Callable[..., Store], ids: list[Any]) -> None:
    store = new_store(interval=0)
    if isinstance(ids[0], str):
        store.add(Submission(Strings.of(ids), Priority.HIGH))
    else:
        submit(store, ids, Priority.HIGH)
    first, second = claimed(store, 2)
    ended(store, first, Outcome.ack(['"x"', GONE, BOOM]))
    bury(store, second, BOOM)
    later, earlier = store.failures(ids=True)
    assert later.ids == [(ids[3], BOOM)]
    assert earlier.ids == [(ids[1], GONE), (ids[2], BOOM)]
    assert not any(one.ids for one in store.failures())


def test_many_are_read_in_pages_and_what_changes_meanwhile_is_left_out(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, batch_size=1)
    first, second = submit(store, range(1500)), submit(store, range(1500))
    for _ in range(30):
        store.end_together([(claim, Outcome.bury(BOOM)) for claim in claimed(store, 100)])
    assert len({one.spot for one in store.failures()}) == 3000
    reading = store.failures(ids=True)
    started = next(reading)
    store.redrive(first.id)
    rest = [started, *reading]
    assert len({one.spot for one in rest}) == len(rest)
    assert {one.batch_id for one in rest} >= {batch.id for batch in store.batches(second.id)[1]}
    assert len(rest) < 3000


def test_a_filter_takes_what_it_says(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store, ids, times = new_store(interval=0, retention=100), list[str](), list[float]()
    for owner, priority in (("web", Priority.LOW), ("web", Priority.HIGH), (None, Priority.LOW), ("cli", Priority.LOW)):
        ids.append(submit(store, [1], priority, owner=owner).id)
        times.append(clock.now())
        bury(store, claimed(store)[0], BatchError("E", f"boom of {owner}"))
        clock.advance(1)

    def found(**where: Any) -> list[int]:
        return [ids.index(one.ingestion_id) for one in store.failures(FailureFilter(**where))]

    assert found() == [3, 2, 1, 0]
    assert found(owner="web") == [1, 0]
    assert found(priority=Priority.LOW) == [3, 2, 0]
    assert found(since=times[1], until=times[2]) == [2, 1]
    assert found(group=group_of(BatchError("E", "boom of web")).id) == [1, 0]
    clock.advance(98)
    assert found() == [3]
