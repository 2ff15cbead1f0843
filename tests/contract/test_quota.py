"""How many ids one owner may have waiting."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core import Pauses
from app.core.models import BatchError, Priority
from app.errors import InvalidRequest, QuotaFull
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, retry, submit

NewStore = Callable[..., Store]


def test_an_owner_is_refused_what_exceeds_its_quota_and_others_are_not(new_store: NewStore) -> None:
    store = new_store(key_quota=10)
    submit(store, range(1, 9), owner="one")
    with pytest.raises(QuotaFull, match="8 of your ids are waiting and at most 10 may; 3 more"):
        submit(store, [1, 2, 3], owner="one")
    submit(store, [1, 2], owner="one")
    submit(store, range(1, 11), owner="two")
    submit(store, range(1, 100))
    assert store.stats().depths[Priority.MEDIUM].waiting == 3 + 1 + 4 + 33


def test_it_says_when_it_would_fit_and_then_it_fits(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=9)
    submit(store, range(1, 4), Priority.HIGH, owner="two")
    submit(store, range(1, 7), Priority.LOW, owner="one")
    submit(store, range(1, 4), Priority.HIGH, owner="one")
    # A HIGH batch of each owner goes before the LOW ids: now and after 5 s; the first LOW one after 10 s.
    with pytest.raises(QuotaFull) as refused:
        submit(store, [1, 2, 3, 4], owner="one")
    assert refused.value.retry_after == pytest.approx(10.0)
    claimed(store)
    clock.advance(5.0)
    claimed(store)
    clock.advance(4.9)
    with pytest.raises(QuotaFull):
        submit(store, [1, 2, 3, 4], owner="one")
    clock.advance(0.1)
    claimed(store)
    submit(store, [1, 2, 3, 4], owner="one")


def test_what_has_started_no_longer_counts_for_the_wait(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=6)
    for owner in ("one", "two", "one"):
        submit(store, [1, 2, 3], owner=owner)
    for ids, fits in (([1, 2, 3], 0.0), ([1, 2, 3, 4], 10.0)):
        with pytest.raises(QuotaFull) as refused:
            submit(store, ids, owner="one")
        assert refused.value.retry_after == pytest.approx(fits)
    claimed(store)
    with pytest.raises(QuotaFull) as refused:
        submit(store, [1, 2, 3, 4], owner="one")
    assert refused.value.retry_after == pytest.approx(10.0)
    for _ in range(2):
        clock.advance(5.0)
        claimed(store)
    submit(store, [1, 2, 3, 4, 5, 6], owner="one")


def test_what_goes_again_counts_at_its_place(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=2, interval=10, batch_size=1)
    submit(store, [1], owner="one")
    (again,) = claimed(store)
    submit(store, [2], owner="one")
    retry(store, again, BatchError("Boom", ""), 0.0)
    _is_refused_for(store, 10.0)
    clock.advance(10.0)
    claimed(store)
    submit(store, [3], owner="one")


def test_what_is_moved_counts_at_its_place(new_store: NewStore) -> None:
    store = new_store(key_quota=2, interval=10, batch_size=1)
    submit(store, [8])
    claimed(store)
    moved = submit(store, [1], Priority.HIGH, owner="one")
    submit(store, [2], owner="one")
    store.move(moved.id, Priority.MEDIUM)
    _is_refused_for(store, 10.0)


def _is_refused_for(store: Store, seconds: float) -> None:
    with pytest.raises(QuotaFull) as refused:
        submit(store, [3], owner="one")
    assert refused.value.retry_after == pytest.approx(seconds)


def test_what_never_fits_is_invalid(new_store: NewStore) -> None:
    with pytest.raises(InvalidRequest, match="never have more than 10 waiting"):
        submit(new_store(key_quota=10), range(1, 12), owner="one")


def test_only_what_waits_counts(new_store: NewStore) -> None:
    store = new_store(key_quota=5, interval=0, backoff=0, backoff_max=0)
    first = submit(store, range(1, 6), owner="one")
    full, short = claimed(store, 2)
    submit(store, range(1, 6), owner="one")
    store.cancel(store.ingestions()[0].id)
    retry(store, full, BatchError("Boom", ""), 0.0)
    finish(store, short)
    submit(store, [1, 2], owner="one")
    with pytest.raises(QuotaFull):
        submit(store, [1], owner="one")
    bury(store, claimed(store)[0], BatchError("Boom", ""))
    submit(store, [1, 2, 3], owner="one")
    assert store.redrive(first.id).counts.yet_to_start == 1
    with pytest.raises(QuotaFull, match="8 of your ids"):
        submit(store, [1], owner="one")


@pytest.mark.parametrize("failing", [[0], [1], [0, 1]])
def test_a_redrive_counts_the_ids_that_go_again(new_store: NewStore, failing: list[int]) -> None:
    store = new_store(key_quota=9, interval=0)
    ingestion = submit(store, [1, 2, 3, 4], owner="one")
    for position, claim in enumerate(claimed(store, 2)):
        if position in failing:
            bury(store, claim, BatchError("Boom", ""))
        else:
            finish(store, claim)
    store.redrive(ingestion.id)
    waiting = sum([3, 1][position] for position in failing)
    submit(store, range(9 - waiting), owner="one")
    with pytest.raises(QuotaFull, match="9 of your ids are waiting"):
        submit(store, [1], owner="one")
    for claim in claimed(store, 9):
        finish(store, claim)
    submit(store, range(9), owner="one")


def test_what_is_cancelled_no_longer_counts_though_a_batch_of_it_runs(new_store: NewStore) -> None:
    store = new_store(key_quota=9)
    ingestion = submit(store, range(9), owner="one")
    claimed(store)
    store.cancel(ingestion.id)
    submit(store, range(9), owner="one")


def test_a_repeated_request_is_answered_whatever_the_quota(new_store: NewStore) -> None:
    store = new_store(key_quota=3)
    first = submit(store, [1, 2, 3], owner="one", key="k", fingerprint="f")
    assert submit(store, [1, 2, 3], owner="one", key="k", fingerprint="f").id == first.id


def test_what_is_paused_makes_no_room(new_store: NewStore) -> None:
    store = new_store(key_quota=10, batch_size=1)
    submit(store, range(6), Priority.HIGH, owner="one")
    submit(store, range(4), Priority.LOW, owner="one")
    store.pause(None, Pauses(frozenset({Priority.HIGH})))
    with pytest.raises(QuotaFull, match=r"2 more will fit in 5\.0 s"):
        submit(store, [1, 2], Priority.LOW, owner="one")
    with pytest.raises(QuotaFull, match="it is not known when there will be room"):
        submit(store, range(5), Priority.LOW, owner="one")


def test_what_waits_for_a_retry_is_not_in_the_way_of_what_is_due(new_store: NewStore) -> None:
    store = new_store(key_quota=9)
    for _ in range(3):
        submit(store, [1, 2, 3], owner="one")
    (first,) = claimed(store)
    retry(store, first, BatchError("Boom", ""), 600.0)
    with pytest.raises(QuotaFull, match=r"3 more will fit in 5\.0 s"):
        submit(store, [1, 2, 3], owner="one")


def test_nor_in_that_of_its_own_ingestion(new_store: NewStore) -> None:
    store = new_store(key_quota=9)
    submit(store, range(9), owner="one")
    (first,) = claimed(store)
    retry(store, first, BatchError("Boom", ""), 600.0)
    for count, seconds in ((1, 5), (3, 5), (6, 10), (7, 600)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_where_what_is_due_does_not_suffice_the_first_retries_to_fall_due_count_too(new_store: NewStore) -> None:
    store = new_store(key_quota=12, interval=0)
    submit(store, [1, 2, 3, 4], owner="one")
    submit(store, [5], Priority.HIGH, owner="one")
    late, full, short = claims = claimed(store, 3)
    for claim, delay in zip(claims, (600.0, 60.0, 300.0), strict=True):
        retry(store, claim, BatchError("Boom", ""), delay)
    assert [one.batch.ids for one in (late, full, short)] == [[5], [1, 2, 3], [4]]
    submit(store, [6, 7], Priority.LOW, owner="one")
    for count, seconds in ((7, 0), (8, 60), (10, 60), (11, 300), (12, 600)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_retries_that_start_before_what_is_due_make_room_first(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=4, batch_size=1)
    for delay in (36.0, 12.0):
        submit(store, [1], Priority.HIGH, owner="one")
        (claim,) = claimed(store)
        retry(store, claim, BatchError("Boom", ""), delay)
        clock.advance(5.0)
    submit(store, range(10))
    submit(store, [1, 2], Priority.LOW, owner="one")
    # A token is there now and every 5 s; the second falls due after 7 s, the first after 26 s.
    for count, seconds in ((1, 10), (2, 30), (3, 60), (4, 65)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_where_callers_take_turns_it_fits_after_as_many(new_store: NewStore) -> None:
    store = new_store(key_quota=4, batch_size=1, fair=1)
    for owner in ("one", "two"):
        submit(store, range(4), owner=owner)
    for count, seconds in ((1, 0), (2, 10), (4, 30)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")
    # With something of the caller's waiting for its retry, it is two's turn first.
    retry(store, claimed(store)[0], BatchError("Boom", ""), 600.0)
    for count, seconds in ((1, 10), (3, 30), (4, 600)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_of_retries_and_what_is_due_those_count_that_start_first(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=7, batch_size=2)
    submit(store, [1, 2], Priority.LOW, owner="one")
    (claim,) = claimed(store)
    retry(store, claim, BatchError("Boom", ""), 12.0)
    clock.advance(5.0)
    submit(store, [3, 4], Priority.HIGH, owner="one")
    submit(store, [5, 6, 7], owner="one")
    for count, seconds in ((2, 0), (4, 5), (5, 10), (7, 15)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_a_retry_that_overtakes_what_is_due_of_its_ingestion_makes_no_room_sooner(new_store: NewStore) -> None:
    store = new_store(key_quota=3, batch_size=1)
    submit(store, range(3), owner="one")
    retry(store, claimed(store)[0], BatchError("Boom", ""), 3.0)
    for count, seconds in ((1, 5), (2, 10), (3, 15)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_all_that_is_due_starts_before_it_counts_too(new_store: NewStore) -> None:
    store = new_store(key_quota=4, interval=100, batch_size=1)
    submit(store, [1], Priority.HIGH, owner="one")
    (first,) = claimed(store)
    retry(store, first, BatchError("Boom", ""), 50.0)
    submit(store, [2, 3, 4], owner="one")
    # The retry falls due before the next token, and is more urgent.
    with pytest.raises(QuotaFull, match=r"4 more will fit in 400\.0 s"):
        submit(store, range(4), owner="one")


def test_what_has_nothing_due_is_not_the_last_that_is(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(key_quota=5, interval=100, batch_size=1)
    for priority, delay in ((Priority.LOW, 1000.0), (Priority.HIGH, 50.0)):
        clock.advance(100)
        submit(store, [1], priority, owner="one")
        retry(store, claimed(store)[0], BatchError("Boom", ""), delay)
    submit(store, [2, 3, 4], owner="one")
    submit(store, [5], owner="two")
    with pytest.raises(QuotaFull, match=r"4 more will fit in 400\.0 s"):
        submit(store, range(4), owner="one")


def test_a_last_batch_counts_as_many_ids_as_it_has(new_store: NewStore) -> None:
    store = new_store(key_quota=4, interval=0)
    submit(store, [1, 2, 3, 4], owner="one")
    for claim, delay in zip(claimed(store, 2), (0.0, 300.0), strict=True):
        retry(store, claim, BatchError("Boom", ""), delay)
    for count, seconds in ((3, 0), (4, 300)):
        with pytest.raises(QuotaFull, match=rf"{count} more will fit in {seconds}\.0 s"):
            submit(store, range(count), owner="one")


def test_a_retry_that_is_paused_makes_no_room(new_store: NewStore) -> None:
    store = new_store(key_quota=2, interval=0)
    for priority, delay in ((Priority.LOW, 10.0), (Priority.HIGH, 60.0)):
        submit(store, [1], priority, owner="one")
        retry(store, claimed(store)[0], BatchError("Boom", ""), delay)
    store.pause(what=Pauses(frozenset({Priority.LOW})))
    with pytest.raises(QuotaFull, match=r"1 more will fit in 60\.0 s"):
        submit(store, [2], owner="one")


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_where_nothing_is_due_it_fits_once_a_retry_is(new_store: NewStore, seconds: float) -> None:
    store = new_store(key_quota=3, interval=0)
    submit(store, [1, 2, 3], owner="one")
    retry(store, claimed(store)[0], BatchError("Boom", ""), seconds)
    with pytest.raises(QuotaFull, match=rf"1 more will fit in {seconds} s"):
        submit(store, [4], owner="one")


def test_while_the_queue_is_paused_it_is_not_known_what_retries_make_room(new_store: NewStore) -> None:
    store = new_store(key_quota=4)
    submit(store, [1, 2, 3, 4], owner="one")
    retry(store, claimed(store)[0], BatchError("Boom", ""), 60.0)
    with pytest.raises(QuotaFull, match=r"2 more will fit in 60\.0 s"):
        submit(store, [5, 6], owner="one")
    store.pause()
    with pytest.raises(QuotaFull, match="it is not known when there will be room"):
        submit(store, [5, 6], owner="one")
