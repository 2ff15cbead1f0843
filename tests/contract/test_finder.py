"""Where an id is: found by the index of FIND_IDS, or by looking through what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Batch, BatchError, Found, Ingestion, Priority, Search, Sought, Status, search
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, retry, submit

from .test_listing import OWNERS, STEPS, act
from .test_strings import IDS, ODD, submit_strings

BOOM = BatchError("ValueError", "boom")
INDEXED = pytest.mark.parametrize("find_ids", [True, False])


def where(store: Store, id_: Any, **how: Any) -> Search:
    return search(store.finder, store.ingestions, Sought.of(str(id_)), **how)


def places(found: Sequence[Found]) -> list[tuple[str, Batch, int]]:
    return [(one.ingestion.id, one.batch, one.nth) for one in found]


@INDEXED
@given(steps=STEPS, owner=st.sampled_from(OWNERS))
def test_an_id_is_wherever_it_is_whatever_happened(
    new_store: Callable[..., Store], clock: FakeClock, find_ids: bool, steps: Any, owner: str | None
) -> None:
    clock.reset()
    store = new_store(interval=0, retention=300, find_ids=find_ids)
    for step, number in steps:
        act(store, clock, step, number)
    known = store.ingestions(limit=1000)
    for id_ in (1, 5, 9, 11):
        wanted = [
            (one.id, batch, batch.ids.index(id_))
            for one in known
            if owner in (None, one.owner)
            for batch in store.batches(one.id)[1]
            if id_ in batch.ids
        ]
        found = where(store, id_, owner=owner, limit=1000)
        assert places(found.found) == wanted
        assert (found.complete, found.unfinished, found.more) == (True, True, False)
        for one in found.found:
            assert one.ingestion == store.get(one.ingestion.id)
            assert one.answer == dict(store.results(one.ingestion.id, failed=True)).get(id_)
            assert (one.start is None) == (not one.batch.waits)


@INDEXED
@given(ids=IDS, other=IDS)
def test_strings_and_integers_are_told_apart(
    new_store: Callable[..., Store], find_ids: bool, ids: list[str], other: list[str]
) -> None:
    store = new_store(interval=0, find_ids=find_ids)
    made = [
        submit_strings(store, ids),
        submit(store, [0, 7, 7, 2**63 - 1, -(2**63)]),
        submit_strings(store, other + ODD),
    ]
    held = [
        (str(id_), (one.id, batch.position, nth))
        for one in reversed(made)
        for batch in store.batches(one.id)[1]
        for nth, id_ in enumerate(batch.ids)
    ]
    for sought in {*ids, *other, *ODD, "7", "+7", " 7", "07", "7\n7", str(2**63 - 1), str(2**63), str(-(2**63))}:
        found = where(store, sought, limit=1000).found
        wanted = [place for id_, place in held if id_ == sought]
        assert [(one.ingestion.id, one.batch.position, one.nth) for one in found] == wanted


@INDEXED
def test_it_tells_the_latest_of_an_id(new_store: Callable[..., Store], clock: FakeClock, find_ids: bool) -> None:
    store = new_store(interval=0, batch_size=2, find_ids=find_ids)
    submit(store, [1, 2, 3, 4])
    first, second = claimed(store, 2)
    (of_3,) = where(store, 3).found
    assert (of_3.batch.status, of_3.start, of_3.answer) == (Status.TRIGGERED, None, None)
    finish(store, first, '{"name":"Ada"}')
    retry(store, second, BOOM, 30.0)
    (of_2,), (of_3,) = where(store, 2).found, where(store, 3).found
    assert (of_2.batch.status, of_2.nth, of_2.answer) == (Status.COMPLETED, 1, '{"name":"Ada"}')
    assert (of_3.batch.error, of_3.start, of_3.answer) == (BOOM, clock.now() + 30, None)
    clock.advance(30)
    bury(store, claimed(store)[0], BOOM)
    assert where(store, 4).found[0].answer == BOOM
    assert where(store, 5).found == []


@given(
    arrivals=st.lists(st.tuples(st.integers(1, 14), st.sampled_from(Priority)), min_size=1, max_size=6),
    ends=st.lists(st.sampled_from([None, 0.0, 3.7, 41.3]), max_size=5),
    aging=st.sampled_from([0.0, 3.0]),
)
def test_a_batch_that_waits_starts_when_the_queue_says_so(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, ends: Any, aging: float
) -> None:
    clock.reset()
    store = new_store(interval=5.0, priority_aging=aging)
    for count, priority in arrivals:
        submit(store, range(1, count + 1), priority)
    for delay in ends:
        if isinstance(claims := store.claim(1), list):
            retry(store, claims[0], BOOM, delay) if delay is not None else finish(store, claims[0])
        clock.advance(5)
    for batch, start in store.upcoming(200):
        found = store.finder.at(batch.ingestion_id, batch.position * 3)
        assert (found.batch.id, found.batch.attempt) == (batch.id, batch.attempt)
        if batch.attempt == 0:
            assert found.start == pytest.approx(start, abs=1e-3)
        else:
            # While it waits, the line in front of it grows shorter.
            assert found.start is not None
            assert found.start <= (start or 0.0) + 1e-6
    store.pause()
    assert all(store.finder.at(batch.ingestion_id, 0).start is None for batch, _ in store.upcoming(200))


def test_those_that_await_another_start_one_after_the_other(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=10, batch_size=1, fresh=100)
    submit(store, [1])
    claimed(store)
    waits = submit(store, [1, 1, 1, 2])
    clock.advance(11)
    assert claimed(store)[0].batch.ids == [2]
    first, *rest = [store.finder.at(waits.id, nth).start or 0.0 for nth in range(3)]
    assert rest == pytest.approx([first + 10, first + 20], abs=1e-3)
    assert [start for _, start in store.upcoming(9)] == pytest.approx([first, *rest], abs=1e-3)


def test_a_batch_that_was_started_before_waits_for_those_below_it_that_are_due(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=5.0, batch_size=1)
    made, claims = submit(store, [1, 2, 3, 4]), []
    for _ in range(3):
        claims += claimed(store)
        clock.advance(5)
    now = clock.now()

    def starts() -> list[float | None]:
        found = [store.finder.at(made.id, nth).start for nth in range(4)]
        return [None if start is None else round(start - now, 3) for start in found]

    retry(store, claims[2], BOOM, 0.0)
    assert starts() == [None, None, 0, 5]
    retry(store, claims[1], BOOM, 0.0)
    assert starts() == [None, 0, 5, 10]
    bury(store, claims[0], BOOM)
    store.redrive(made.id)
    assert starts() == [0, 5, 10, 15]


def test_a_batch_that_never_started_waits_for_a_retry_of_its_ingestion(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=10.0, batch_size=1)
    made, now = submit(store, [1, 2]), clock.now()
    retry(store, claimed(store)[0], BOOM, 7.0)
    assert [store.finder.at(made.id, nth).start for nth in (0, 1)] == [now + 10, now + 20]


def test_a_batch_that_was_redriven_waits_for_its_token_whatever_else_of_its_ingestion_waits(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=5.0, batch_size=1)
    made = submit(store, [1, 2])
    (first,) = claimed(store)
    clock.advance(5)
    retry(store, claimed(store)[0], BOOM, 100.0)
    bury(store, first, BOOM)
    store.redrive(made.id)
    assert store.finder.at(made.id, 0).start == clock.now() + 5


def test_without_an_index_the_latest_and_the_unfinished_are_looked_through(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0)
    old: list[Ingestion] = []
    for _ in range(20):
        old.append(submit(store, range(1, 4)))
        clock.advance(1)
    for claim in claimed(store, 20)[:-1]:
        if claim.batch.ingestion_id not in (old[2].id, old[4].id):
            finish(store, claim)
    found = where(store, 2, room=1500)
    # Each counts as 400 ids and its own: the four latest, one of them unfinished, then two unfinished ones before them.
    assert [one.ingestion.id for one in found.found] == [old[at].id for at in (19, 18, 17, 16, 4, 2)]
    assert (found.searched, found.complete, found.unfinished) == (6, False, True)
    assert found.since == old[15].created_at
    found = where(store, 2, room=300)
    assert [one.ingestion.id for one in found.found] == [old[19].id, old[4].id]
    assert (found.searched, found.complete, found.unfinished) == (2, False, False)
    found = where(store, 2)
    assert (len(found.found), found.searched, found.complete, found.unfinished) == (20, 20, True, True)


def test_with_an_index_nothing_is_looked_through(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, find_ids=True)
    made = [submit(store, range(first, first + 10)) for first in range(1, 3000, 10)]
    found = where(store, 1234, room=0)
    assert [one.ingestion.id for one in found.found] == [made[123].id]
    assert (found.searched, found.complete) == (0, True)


@INDEXED
def test_there_may_be_more_than_was_asked_for(new_store: Callable[..., Store], find_ids: bool) -> None:
    store = new_store(interval=0, find_ids=find_ids)
    made = [submit(store, [7, 8, 7]) for _ in range(3)]
    found = where(store, 7, limit=5)
    assert [(one.ingestion.id, one.nth) for one in found.found] == [
        (made[2].id, 0),
        (made[2].id, 2),
        (made[1].id, 0),
        (made[1].id, 2),
        (made[0].id, 0),
    ]
    assert found.more
    assert not where(store, 7, limit=6).more


@INDEXED
def test_what_is_forgotten_hides_nothing(new_store: Callable[..., Store], clock: FakeClock, find_ids: bool) -> None:
    store = new_store(interval=0, retention=60, find_ids=find_ids)
    waits = submit(store, [7], Priority.LOW)
    for _ in range(3):
        submit(store, [7], Priority.HIGH)
        finish(store, claimed(store)[0])
    clock.advance(60)
    assert [one.ingestion.id for one in where(store, 7, limit=1).found] == [waits.id]


@INDEXED
def test_what_is_forgotten_is_nowhere(new_store: Callable[..., Store], clock: FakeClock, find_ids: bool) -> None:
    store = new_store(interval=0, retention=60, find_ids=find_ids)
    submit(store, [1, 2, 3])
    finish(store, claimed(store)[0])
    kept = submit(store, [3, 4, 5])
    clock.advance(60)
    assert [one.ingestion.id for one in where(store, 3).found] == [kept.id]
    sum(store.prune())
    assert [one.ingestion.id for one in where(store, 3).found] == [kept.id]
    assert where(store, 1).found == []


def test_an_idempotent_submit_is_indexed_once(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, find_ids=True)
    made = [submit(store, [1, 2], key="k", fingerprint="f") for _ in range(2)]
    assert [one.ingestion.id for one in where(store, 2).found] == [made[0].id]


@INDEXED
def test_there_may_be_more_in_one_ingestion(new_store: Callable[..., Store], find_ids: bool) -> None:
    store = new_store(interval=0, find_ids=find_ids)
    submit(store, [7, 7, 7])
    for limit in (1, 2, 3):
        found = where(store, 7, limit=limit)
        assert ([one.nth for one in found.found], found.more) == ([*range(limit)], limit < 3)


def test_a_retry_that_is_due_starts_after_those_that_are_due_before_it(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=5)
    made = submit(store, range(6))
    for _ in range(2):
        retry(store, claimed(store)[0], BatchError("Odd", "not yet"), 60.0)
        clock.advance(5)
    clock.advance(60)
    assert [store.finder.at(made.id, index).start for index in (0, 3)] == [clock.now(), clock.now() + 5]
