"""Cancel, redrive, pause, idempotency, back-pressure, retention, listing: the same on every store."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from contextlib import suppress

import pytest

from app.core import Claim, Filter, Ingestion, Wait
from app.core.models import BatchError, Counts, Priority, Status
from app.errors import BacklogFull, Conflict, InvalidRequest, KeyReused, QuotaFull, TooLate, UnknownIngestion
from app.store import Store, Submission
from tests.support.clock import FakeClock
from tests.support.queueing import blocked, bury, claimed, estimate_of, finish, retry, submit

BOOM = BatchError("RuntimeError", "boom")


def claims_of(store: Store) -> list[Claim]:
    """What may start now."""
    found = store.claim(9)
    return [] if isinstance(found, Wait) else found


def test_a_store_says_whether_it_outlives_its_process(store: Store, address: str) -> None:
    assert store.durable is (address != "memory://")


def test_cancel_stops_what_has_not_started_and_lets_the_rest_end(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=1)
    ingestion = submit(store, range(1, 8))
    running = claimed(store)[0]
    cancelled, new = store.cancel(ingestion.id)
    assert new
    assert cancelled.status == Status.TRIGGERED
    assert cancelled.counts == Counts(triggered=1, cancelled=2)
    assert store.cancel(ingestion.id)[1] is False
    clock.advance(1)
    assert blocked(store) == Wait(None, "empty")
    ended = finish(store, running)
    assert ended is not None
    assert ended.status == Status.CANCELLED
    assert ended.counts == Counts(completed=1, cancelled=2)
    statuses = [batch.status for batch in store.batches(ingestion.id)[1]]
    assert statuses == [Status.COMPLETED, Status.CANCELLED, Status.CANCELLED]
    assert len(list(store.results(ingestion.id))) == 3
    assert store.cancel(ingestion.id) == (ended, False)


def test_a_finished_ingestion_cannot_be_cancelled(store: Store) -> None:
    ingestion = submit(store, [1])
    finish(store, claimed(store)[0])
    with pytest.raises(Conflict, match="completed"):
        store.cancel(ingestion.id)


def test_a_retry_waits_even_for_less_than_a_second(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    submit(store, [1])
    retry(store, claimed(store)[0], BOOM, 0.5)
    assert blocked(store) == Wait(0.5, "retry")
    assert store.stats().next_retry_at == clock.now() + 0.5
    clock.advance(0.5)
    retry(store, claimed(store)[0], BOOM, 0.0)
    assert claimed(store)[0].batch.attempt == 3


def test_a_cancelled_batch_that_waits_for_a_retry_does_not_go_again(store: Store, clock: FakeClock) -> None:
    ingestion = submit(store, [1])
    retry(store, claimed(store)[0], BOOM, 10)
    cancelled, _ = store.cancel(ingestion.id)
    assert cancelled.status == Status.CANCELLED
    assert cancelled.finished_at == clock.now()
    clock.advance(10)
    assert blocked(store) == Wait(None, "empty")


def test_an_attempt_that_fails_after_a_cancel_is_cancelled(store: Store, clock: FakeClock) -> None:
    ingestion = submit(store, [1])
    claim = claimed(store)[0]
    store.cancel(ingestion.id)
    ended = retry(store, claim, BOOM, 1.0)
    assert ended is not None
    assert ended.status == Status.CANCELLED
    assert store.stats().next_retry_at is None
    assert store.stats().depths[Priority.MEDIUM].waiting == 0
    clock.advance(5)
    assert blocked(store) == Wait(None, "empty")


def test_redrive_starts_failed_batches_over_at_their_rank(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1, max_attempts=2)
    ingestion = submit(store, range(1, 5), Priority.HIGH)
    for _ in range(2):
        bury(store, claimed(store)[0], BOOM)
        clock.advance(1)
    assert store.get(ingestion.id).status == Status.FAILED
    submit(store, [9], Priority.HIGH)
    again = store.redrive(ingestion.id)
    assert again.status == Status.YET_TO_START
    assert again.finished_at is None
    assert estimate_of(store, ingestion.id) is not None
    first = claimed(store)[0]
    assert (first.batch.ids, first.batch.attempt) == ([1, 2, 3], 1)
    finish(store, first)
    clock.advance(1)
    finish(store, claimed(store)[0])
    after, batches = store.batches(ingestion.id)
    assert after.status == Status.COMPLETED
    assert [batch.error for batch in batches] == [None, None]
    clock.advance(1)
    assert claimed(store)[0].batch.ids == [9]


def test_a_batch_can_be_redriven_again_and_again(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    first, second = submit(store, [1]), submit(store, [2])
    for _ in range(3):
        claim = claimed(store)[0]
        assert claim.batch.ingestion_id == first.id
        bury(store, claim, BOOM)
        assert store.stats().depths[Priority.MEDIUM].waiting == 1
        assert store.redrive(first.id).counts == Counts(yet_to_start=1)
        estimate = estimate_of(store, second.id)
        assert estimate is not None
        assert estimate.batches_ahead == 1
    assert store.stats().depths[Priority.MEDIUM].waiting == 2


def test_redrive_is_refused_where_nothing_failed_or_all_was_cancelled(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    fine = submit(store, [1])
    with pytest.raises(Conflict, match="No batch of the ingestion failed"):
        store.redrive(fine.id)
    finish(store, claimed(store)[0])
    with pytest.raises(Conflict, match="No batch of the ingestion failed"):
        store.redrive(fine.id)
    broken = submit(store, range(1, 5))
    bury(store, claimed(store)[0], BOOM)
    store.cancel(broken.id)
    with pytest.raises(Conflict, match="cancelled"):
        store.redrive(broken.id)


def test_nothing_starts_while_paused_and_everything_is_accepted(store: Store, clock: FakeClock) -> None:
    store.pause()
    ingestion = submit(store, range(1, 5))
    assert blocked(store) == Wait(None, "paused")
    assert store.stats().waiting_on == "paused"
    assert store.stats().paused is True
    estimate = estimate_of(store, ingestion.id)
    assert estimate is not None
    assert (estimate.start, estimate.completion) == (None, None)
    clock.advance(100)
    store.resume()
    assert len(claimed(store, 5)) == 1
    assert store.dispatches(10)[-1].limited_by == "paused"


def test_the_queue_says_what_it_waits_on(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(concurrency=1)
    assert store.stats().waiting_on == "empty"
    submit(store, range(1, 7))
    assert store.stats().waiting_on is None
    claim = claimed(store)[0]
    assert store.stats().waiting_on == "slots"
    finish(store, claim)
    assert store.stats().waiting_on == "token"
    store.hold(60)
    assert store.stats().waiting_on == "hold"
    assert store.stats().hold_until == clock.now() + 60
    clock.advance(60)
    assert store.stats().waiting_on is None
    assert store.stats().hold_until is None


def test_the_log_says_what_limited_each_start(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    submit(store, range(1, 4))
    retry(store, claimed(store)[0], BOOM, 20)
    clock.advance(20)
    claimed(store)
    submit(store, range(1, 7))
    clock.advance(5)
    claimed(store)
    store.hold(7)
    clock.advance(7)
    claimed(store)
    assert [one.limited_by for one in store.dispatches(10)] == ["arrival", "retry", "token", "hold"]
    assert [one.attempt for one in store.dispatches(2)] == [1, 1]


def test_a_key_makes_a_submission_idempotent_for_its_owner(store: Store) -> None:
    first = submit(store, [1, 2], owner="ann", key="k", fingerprint="a")
    assert submit(store, [1, 2], owner="ann", key="k", fingerprint="a").id == first.id
    with pytest.raises(KeyReused, match="'k'"):
        submit(store, [3], owner="ann", key="k", fingerprint="b")
    assert submit(store, [1, 2], owner="bob", key="k", fingerprint="a").id != first.id
    assert submit(store, [1, 2], key="k", fingerprint="a").id != first.id
    assert len(store.ingestions()) == 3


def test_a_request_in_another_spelling_is_the_same(store: Store) -> None:
    first = submit(store, [1], key="k", fingerprint="a", alias="b")
    for fingerprint, alias in (("a", "b"), ("b", "a"), ("a", None), ("c", "a")):
        assert submit(store, [1], key="k", fingerprint=fingerprint, alias=alias).id == first.id
    with pytest.raises(KeyReused):  # what is kept is the fingerprint of the first alone
        submit(store, [1], key="k", fingerprint="b")
    for alias in ("c", None):
        with pytest.raises(KeyReused):
            submit(store, [1], key="k", fingerprint="", alias=alias)


def test_a_repeated_submission_is_not_new(store: Store) -> None:
    one = Submission(array("q", [1]), Priority.LOW, key="k", fingerprint="a")
    assert [store.add(one)[1] for _ in range(3)] == [True, False, False]
    unnamed = Submission(array("q", [1]), Priority.LOW)
    assert [store.add(unnamed)[1] for _ in range(2)] == [True, True]


def test_a_key_is_remembered_as_long_as_its_ingestion(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(retention=100)
    first = submit(store, [1], key="k", fingerprint="a")
    clock.advance(1000)
    assert submit(store, [1], key="k", fingerprint="a").id == first.id
    finish(store, claimed(store)[0])
    clock.advance(99)
    assert submit(store, [1], key="k", fingerprint="a").id == first.id
    clock.advance(1)
    assert submit(store, [1], key="k", fingerprint="a").id != first.id


def test_a_full_queue_says_when_there_is_room(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(max_pending=3)
    submit(store, range(1, 10))
    with pytest.raises(BacklogFull, match="3 batches are waiting") as refused:
        submit(store, range(1, 7))
    assert refused.value.retry_after == 5.0
    claimed(store)
    clock.advance(4.999)
    with pytest.raises(BacklogFull):
        submit(store, range(1, 7))
    clock.advance(0.001)
    claimed(store)
    submit(store, range(1, 7))


def test_what_would_never_fit_is_invalid(new_store: Callable[..., Store]) -> None:
    with pytest.raises(InvalidRequest, match="never holds more than 3"):
        submit(new_store(max_pending=3), range(1, 13))
    with pytest.raises(InvalidRequest, match="may be 10 s long"):
        submit(new_store(max_backlog_seconds=10), range(1, 13))


def test_a_backlog_that_is_too_long_says_when_there_is_room(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(max_backlog_seconds=10)
    submit(store, range(1, 10))
    with pytest.raises(BacklogFull, match="would be 15") as refused:
        submit(store, [1])
    assert refused.value.retry_after == 5.0
    claimed(store)
    clock.advance(5)
    submit(store, [1])


@pytest.mark.parametrize("seed", range(12))
def test_a_backlog_that_is_too_long_has_room_just_when_it_says(
    new_store: Callable[..., Store], clock: FakeClock, seed: int
) -> None:
    """Whatever waits for its retry; it counts as if it were due."""
    chance = random.Random(seed)
    store = new_store(interval=2, burst=chance.choice([1, 3]), max_backlog_seconds=9, max_attempts=9, lease=10_000)
    told = None
    for ids in iter(lambda: range(1, chance.randint(2, 10)), None):
        try:
            submit(store, ids, chance.choice(list(Priority)))
        except BacklogFull as refusal:
            if chance.random() < 0.5:
                told = refusal.retry_after
                break
        for claim in claims_of(store):
            retry(store, claim, BOOM, chance.choice([3.0, 7.0, 30.0, 60.0]))
        clock.advance(chance.choice([0.0, 1.0, 2.5]))
    at = clock.now() + told
    while clock.now() < at - 0.001:
        for claim in claims_of(store):
            finish(store, claim)
        wait = store.claim(1)
        assert isinstance(wait, Wait)
        clock.advance(min(max(wait.seconds or 0.0, 1e-6), at - 0.001 - clock.now()))
    with pytest.raises(BacklogFull):
        submit(store, ids)
    clock.advance(0.002)
    submit(store, ids)


def test_a_deadline_that_cannot_be_met_is_refused_with_the_earliest_end(store: Store, clock: FakeClock) -> None:
    submit(store, range(1, 10))
    with pytest.raises(TooLate) as refused:
        submit(store, range(1, 7), deadline=clock.now() + 19.9)
    assert refused.value.earliest == clock.now() + 20
    submit(store, range(1, 7), deadline=clock.now() + 20)
    assert len(store.ingestions()) == 2


def test_what_ended_is_forgotten_after_a_while(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(retention=60)
    ingestion, waiting = submit(store, [1]), submit(store, [2])
    finish(store, claimed(store)[0])
    clock.advance(59)
    assert sum(store.prune()) == 0
    assert store.get(ingestion.id).status == Status.COMPLETED
    clock.advance(1)
    assert sum(store.prune()) == 1
    assert sum(store.prune()) == 0
    with pytest.raises(UnknownIngestion, match=ingestion.id):
        store.get(ingestion.id)
    assert [one.id for one in store.ingestions()] == [waiting.id]


@pytest.mark.parametrize(
    "look",
    [
        lambda store, _: store.ingestions(),
        lambda store, _: [status for status, count in store.count(most=9).items() if count],
        lambda store, one: store.find(one.id[:8]),
        lambda store, one: store.cancel(one.id),
        lambda store, one: store.status(one.id),
    ],
    ids=["list", "count", "find", "cancel", "status"],
)
def test_nor_is_it_known_in_the_moment_before_it_is_pruned(
    new_store: Callable[..., Store], clock: FakeClock, look: Callable[[Store, Ingestion], object]
) -> None:
    store = new_store(retention=60)
    ingestion = submit(store, [1])
    finish(store, claimed(store)[0])
    clock.advance(60)
    with suppress(UnknownIngestion):
        assert look(store, ingestion) == []


def test_a_redriven_ingestion_is_not_forgotten_for_its_first_end(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(retention=60)
    ingestion = submit(store, [1])
    bury(store, claimed(store)[0], BOOM)
    clock.advance(59)
    store.redrive(ingestion.id)
    clock.advance(10)
    sum(store.prune())
    assert store.get(ingestion.id).status == Status.YET_TO_START


def test_pages_neither_skip_nor_repeat_while_new_ones_arrive(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    made = [submit(store, [number + 1], Priority(1 + number % 3)) for number in range(10)]
    seen = store.ingestions(limit=4)
    submit(store, [99])
    while page := store.ingestions(limit=4, before=seen[-1].order):
        seen += page
        submit(store, [99])
    assert [one.id for one in seen] == [one.id for one in reversed(made)]
    high = store.ingestions(Filter(priority=Priority.HIGH))
    assert [one.id for one in high] == [one.id for one in reversed(made) if one.priority == Priority.HIGH]
    finish(store, claimed(store)[0])
    assert [one.id for one in store.ingestions(Filter(Status.COMPLETED))] == [made[0].id]
    assert len(store.ingestions(Filter(Status.YET_TO_START))) == len(store.ingestions()) - 1


def test_a_page_of_batches(store: Store) -> None:
    ingestion = submit(store, range(1, 31))
    assert [batch.ids for batch in store.batches(ingestion.id, 2, 2)[1]] == [[7, 8, 9], [10, 11, 12]]
    assert len(store.batches(ingestion.id, 8)[1]) == 2
    assert list(store.batches(ingestion.id, 10, 5)[1]) == []
    assert list(store.batches(ingestion.id, 0, 0)[1]) == []


def test_upcoming_batches_are_in_true_order_with_their_times(store: Store, clock: FakeClock) -> None:
    submit(store, range(1, 6), Priority.LOW)
    submit(store, range(11, 16), Priority.HIGH)
    claimed(store)
    upcoming = store.upcoming(10)
    assert [batch.ids for batch, _ in upcoming] == [[14, 15], [1, 2, 3], [4, 5]]
    assert [at for _, at in upcoming] == [clock.now() + 5, clock.now() + 10, clock.now() + 15]
    assert [batch.ids for batch, _ in store.upcoming(1)] == [[14, 15]]


def test_a_retry_that_is_due_is_among_the_upcoming(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    submit(store, [1], Priority.HIGH)
    retry(store, claimed(store)[0], BOOM, 10)
    submit(store, [2], Priority.LOW)
    assert [(batch.ids, at) for batch, at in store.upcoming(5)] == [([2], clock.now()), ([1], clock.now() + 10)]
    clock.advance(10)
    assert [(batch.ids, at) for batch, at in store.upcoming(5)] == [([1], clock.now()), ([2], clock.now())]


def test_of_many_retries_that_are_due_the_most_urgent_is_the_next(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0)
    for priority, delay in ((Priority.LOW, 10), (Priority.MEDIUM, 11), (Priority.HIGH, 12)):
        submit(store, [1], priority)
        retry(store, claimed(store)[0], BOOM, delay)
    clock.advance(12)
    assert [batch.priority for batch, _ in store.upcoming(1)] == [Priority.HIGH]
    assert [batch.priority for batch, _ in store.upcoming(3)] == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]


def test_of_many_that_fall_due_in_a_hold_the_most_urgent_is_the_next(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0)
    for priority, delay in (*((Priority.LOW, 10 + nth) for nth in range(5)), (Priority.HIGH, 20), (Priority.HIGH, 61)):
        submit(store, [1], priority)
        retry(store, claimed(store)[0], BOOM, delay)
    store.hold(60)
    told = [(batch.priority, at - clock.now()) for batch, at in store.upcoming(2)]
    assert told == [(Priority.HIGH, 60), (Priority.LOW, 60)]
    for limit in range(1, 8):
        assert store.upcoming(limit) == store.upcoming(7)[:limit]


def test_stats_tell_depth_and_age_by_priority(store: Store, clock: FakeClock) -> None:
    start = clock.now()
    submit(store, range(1, 6), Priority.LOW)
    clock.advance(2)
    submit(store, [1], Priority.LOW)
    depths = store.stats().depths
    assert (depths[Priority.HIGH].waiting, depths[Priority.HIGH].oldest_at) == (0, None)
    assert (depths[Priority.LOW].waiting, depths[Priority.LOW].oldest_at) == (3, start)
    assert depths[Priority.LOW].drained_at == clock.now() + 10


def test_the_oldest_is_the_first_of_which_something_waits(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    first = submit(store, [1])
    clock.advance(2)
    submit(store, range(1, 7))
    assert store.stats().depths[Priority.MEDIUM].oldest_at == first.created_at
    claimed(store, 2)
    assert store.stats().depths[Priority.MEDIUM].oldest_at == first.created_at + 2
    claimed(store)
    assert store.stats().depths[Priority.MEDIUM].oldest_at is None


def test_the_oldest_of_very_many_is_found(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    made = []
    for _ in range(260):
        made.append(submit(store, [1]))
        clock.advance(1)
    claimed(store, 258)
    assert store.stats().depths[Priority.MEDIUM].oldest_at == made[258].created_at


def test_the_error_of_estimates_is_told(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    submit(store, [1])
    claim = claimed(store)[0]
    clock.advance(3)
    finish(store, claim)
    accuracy = store.stats().accuracy
    assert accuracy is not None
    assert (accuracy.ingestions, accuracy.mean, accuracy.p95) == (1, pytest.approx(3), pytest.approx(3))


def test_how_far_off_a_cancelled_one_was_is_not_told(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    waiting, running = submit(store, [1], Priority.LOW), submit(store, [1], Priority.HIGH)
    claim = claimed(store)[0]
    clock.advance(3)
    for one in (waiting, running):
        store.cancel(one.id)
    finish(store, claim)
    assert store.stats().accuracy is None


def test_estimates_use_measured_service_times_and_the_slots(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1, concurrency=1)
    submit(store, [1])
    claim = claimed(store)[0]
    clock.advance(10)
    finish(store, claim)
    ingestion = submit(store, range(1, 7))
    estimate = estimate_of(store, ingestion.id)
    assert estimate is not None
    assert estimate.start == clock.now()
    assert estimate.completion == clock.now() + 20


def test_the_status_can_change_at_any_time_while_a_batch_runs_else_with_the_next_start(
    store: Store, clock: FakeClock
) -> None:
    ingestion = submit(store, range(1, 7))
    claim = claimed(store)[0]
    clock.advance(2)
    running = estimate_of(store, ingestion.id)
    assert running is not None
    assert running.next_change == clock.now()
    finish(store, claim)
    waiting = estimate_of(store, ingestion.id)
    assert waiting is not None
    assert waiting.next_change == clock.now() + 3


def test_a_full_queue_that_is_paused_does_not_know_when_there_is_room(new_store: Callable[..., Store]) -> None:
    store = new_store(max_pending=2)
    submit(store, range(1, 7))
    store.pause()
    with pytest.raises(BacklogFull, match="what waits is paused, so it is not known when") as refused:
        submit(store, [1])
    assert refused.value.retry_after == 5
    store.resume()
    with pytest.raises(BacklogFull, match="will fit in"):
        submit(store, [1])


def test_a_full_quota_of_a_paused_queue_neither(new_store: Callable[..., Store]) -> None:
    store = new_store(key_quota=6)
    submit(store, range(1, 7), owner="me")
    store.pause()
    with pytest.raises(QuotaFull, match="what waits is paused, so it is not known when") as refused:
        submit(store, [1], owner="me")
    assert refused.value.retry_after == 5
