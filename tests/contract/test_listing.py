"""Listings with and without a filter, and what an abbreviated id stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import ANY, BatchError, Filter, Ingestion, Priority, Status, Wait
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, finish, retry, submit

BOOM = BatchError("ValueError", "boom")
OWNERS = [None, "web", "nightly"]
FILTERS = st.builds(
    Filter,
    st.none() | st.sampled_from(Status),
    st.none() | st.sampled_from(Priority),
    st.sampled_from(OWNERS),
    st.booleans(),
    st.none() | st.integers(0, 400).map(lambda seconds: START + seconds),
    st.none() | st.integers(0, 400).map(lambda seconds: START + seconds),
    st.booleans(),
)
DEEDS = ["submit", "submit", "finish", "fail", "retry", "cancel", "redrive", "wait"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(DEEDS),
        st.integers(0, 99),
    ),
    min_size=5,
    max_size=60,
)


def takes(where: Filter, one: Ingestion) -> bool:
    return (
        where.status in (None, one.status)
        and where.priority in (None, one.priority)
        and where.owner in (None, one.owner)
        and (not where.failed or one.counts.failed > 0)
        and (where.since is None or one.created_at >= where.since)
        and (where.until is None or one.created_at <= where.until)
        and not (where.unfinished and one.status.final)
    )


def act(store: Store, clock: FakeClock, step: str, number: int) -> None:
    if step == "submit":
        submit(store, range(1, 2 + number % 9), Priority(1 + number % 3), owner=OWNERS[number % len(OWNERS)])
    elif step == "wait":
        clock.advance(number)
    elif step in ("cancel", "redrive"):
        known = store.ingestions(limit=1000)
        wanted = [one for one in known if (one.counts.failed if step == "redrive" else not one.status.final)]
        possible = [one for one in wanted if not one.counts.cancelled]
        if possible:
            getattr(store, step)(possible[number % len(possible)].id)
    elif not isinstance(claims := store.claim(1), Wait):
        end: dict[str, Callable[..., Any]] = {"finish": finish, "fail": lambda *of: bury(*of, BOOM)}
        end.get(step, lambda *of: retry(*of, BOOM, float(number)))(store, claims[0])


@given(steps=STEPS, where=FILTERS, page=st.integers(1, 7))
def test_a_filter_takes_what_it_says_whatever_happened(
    new_store: Callable[..., Store], clock: FakeClock, steps: Any, where: Filter, page: int
) -> None:
    clock.reset()
    store = new_store(interval=0, retention=300)
    for step, number in steps:
        act(store, clock, step, number)
    known = store.ingestions(limit=1000)
    found: list[Ingestion] = []
    while some := store.ingestions(where, before=found[-1].order if found else None, limit=page):
        found += some
    assert found == [one for one in known if takes(where, one)]
    assert [one.order for one in known] == sorted((one.order for one in known), reverse=True)
    of_any = [one.status for one in known if takes(where._replace(status=None, unfinished=False), one)]
    assert store.count(where, most=1000) == {status: of_any.count(status) for status in Status}
    assert store.count(where, most=3) == {status: min(3, of_any.count(status)) for status in Status}


def test_a_time_is_found_among_very_many_and_forgotten_ones(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, retention=100)
    made = []
    for number in range(600):
        made.append(submit(store, [1]))
        if number % 5 == 0:
            store.cancel(made[-1].id)
        clock.advance(1)
    where = Filter(since=START + 300, until=START + 399)
    wanted = [one.id for one in made[399:299:-1] if int(one.created_at - START) % 5]
    assert [one.id for one in store.ingestions(where, limit=1000)] == wanted
    assert store.count(where, most=1000)[Status.YET_TO_START] == len(wanted) == 80
    assert store.ingestions(Filter(since=clock.now())) == store.ingestions(Filter(until=START - 1)) == []


def test_a_filter_finds_what_is_rare_on_any_page(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    rare = submit(store, [1], Priority.HIGH)
    for number in range(600):
        submit(store, [number + 1], Priority.LOW)
    assert store.ingestions(Filter(priority=Priority.HIGH)) == [rare]
    finish(store, claimed(store)[0])
    assert [one.id for one in store.ingestions(Filter(Status.COMPLETED))] == [rare.id]
    assert store.ingestions(Filter(Status.YET_TO_START, Priority.HIGH)) == []
    assert len(store.ingestions(ANY, limit=1000)) == 601


def test_a_batch_says_when_it_ran_and_when_it_goes_again(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, batch_size=1)
    ingestion = submit(store, [1, 2, 3])
    began = clock.now()
    (claim,) = claimed(store)
    assert claim.batch.started_at == began
    clock.advance(2)
    finish(store, claim)
    (claim,) = claimed(store)
    clock.advance(1)
    retry(store, claim, BOOM, 30.0)
    done, again, new = store.batches(ingestion.id)[1]
    assert (done.started_at, done.finished_at, done.next_attempt_at) == (began, began + 2, None)
    assert (again.started_at, again.finished_at, again.next_attempt_at) == (began + 2, None, began + 33)
    assert (new.started_at, new.finished_at, new.next_attempt_at) == (None, None, None)
    clock.advance(30)
    (claim,) = claimed(store)
    again = store.batches(ingestion.id)[1][1]
    assert (again.started_at, again.next_attempt_at) == (began + 33, None)
    bury(store, claim, BOOM)
    assert store.batches(ingestion.id)[1][1].finished_at == began + 33
    store.redrive(ingestion.id)
    again = store.batches(ingestion.id)[1][1]
    assert (again.status, again.started_at, again.finished_at) == (Status.YET_TO_START, None, None)


def test_an_id_is_found_by_how_it_begins(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, retention=60)
    made = [submit(store, [1], owner=OWNERS[number % 3]) for number in range(40)]
    for one in made[:3]:
        assert store.find(one.id) == store.find(one.id[:23]) == [one]
    assert len(store.find("", limit=30)) == 30
    for digit in "0123456789abcdef":
        assert {one.id for one in store.find(digit, limit=100)} == {one.id for one in made if one.id[0] == digit}
    mine = {one.id for one in store.find("", owner="web", limit=100)}
    assert mine == {one.id for one in made if one.owner == "web"}
    store.cancel(made[0].id)
    clock.advance(61)
    assert store.find(made[0].id) == []


def test_an_ingestion_is_listed_as_triggered_once_its_first_batch_starts(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    first, second = submit(store, range(1, 7)), submit(store, [9])
    assert store.ingestions(Filter(Status.TRIGGERED)) == []
    claimed(store)
    assert [one.id for one in store.ingestions(Filter(Status.TRIGGERED))] == [first.id]
    assert [one.id for one in store.ingestions(Filter(Status.YET_TO_START))] == [second.id]


def test_a_page_has_fifty_unless_told_otherwise(store: Store) -> None:
    for _ in range(51):
        submit(store, [1])
    assert [len(store.ingestions()), len(store.ingestions(limit=51)), len(store.ingestions(limit=1))] == [50, 51, 1]
    assert [len(store.find("")), len(store.find("", limit=3))] == [2, 3]


def test_the_first_of_all_is_found_by_its_time_too(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store()
    first = submit(store, [1])
    clock.advance(10)
    second = submit(store, [2])
    for where, wanted in (
        (Filter(since=first.created_at - 1), [second, first]),
        (Filter(since=first.created_at), [second, first]),
        (Filter(since=first.created_at + 1), [second]),
        (Filter(since=second.created_at), [second]),
        (Filter(until=first.created_at), [first]),
        (Filter(until=first.created_at - 1), []),
    ):
        assert [one.id for one in store.ingestions(where)] == [one.id for one in wanted]
        assert sum(store.count(where, most=9).values()) == len(wanted)


def test_by_time_what_is_left_is_found_where_the_latest_are_forgotten(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0, retention=60)
    left = submit(store, [1], Priority.LOW)
    clock.advance(1)
    for _ in range(4):
        submit(store, [2], Priority.HIGH)
        finish(store, claimed(store)[0])
    clock.advance(60)
    assert sum(store.prune()) == 4
    assert store.ingestions(Filter(since=START)) == store.ingestions(Filter(until=START + 1)) == [left]
    assert store.ingestions(Filter(since=START + 1)) == []


def test_a_count_of_those_with_failures_leaves_out_the_others(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    submit(store, [1])
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    submit(store, [2])
    counts = store.count(Filter(failed=True), most=9)
    assert {status: count for status, count in counts.items() if count} == {Status.FAILED: 1}


def test_an_owners_are_counted_apart(store: Store) -> None:
    for owner in ("ann", "bob", "ann", None):
        submit(store, [1], owner=owner)
    assert store.count(Filter(owner="ann"), most=9)[Status.YET_TO_START] == 2
