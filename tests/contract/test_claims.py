"""What a claim returns, and how it can end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest

from app.core import Wait
from app.core.models import LOST, BatchError, Counts, Priority, Status
from app.outcomes import Outcome
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import blocked, bury, claimed, estimate_of, finish, proceed, release, retry, submit

BOOM = BatchError("RuntimeError", "boom")


def test_batches_are_consecutive_ids_of_one_ingestion(store: Store) -> None:
    ingestion = submit(store, range(1, 6))
    _, batches = store.batches(ingestion.id)
    assert [batch.ids for batch in batches] == [[1, 2, 3], [4, 5]]
    assert [batch.status for batch in batches] == [Status.YET_TO_START] * 2
    assert len({batch.id for batch in batches}) == 2
    assert list(store.status(ingestion.id)[2]) == list(batches)


def test_the_first_goes_at_once_the_next_after_an_interval(store: Store, clock: FakeClock) -> None:
    submit(store, range(1, 6))
    assert claimed(store)[0].batch.ids == [1, 2, 3]
    assert blocked(store) == Wait(5.0, "token")
    clock.advance(4.5)
    assert blocked(store) == Wait(0.5, "token")
    clock.advance(0.5)
    assert claimed(store)[0].batch.ids == [4, 5]
    assert blocked(store) == Wait(None, "empty")


def test_the_most_urgent_is_chosen_when_the_token_is_there(store: Store, clock: FakeClock) -> None:
    submit(store, range(1, 6), Priority.MEDIUM)
    claimed(store)
    clock.advance(4.99)
    assert isinstance(store.claim(1), Wait)
    submit(store, [9], Priority.HIGH)
    clock.advance(0.01)
    assert claimed(store)[0].batch.ids == [9]


def test_an_idle_hour_saves_up_no_more_than_the_burst(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(burst=2)
    submit(store, range(1, 31))
    clock.advance(3600)
    assert len(claimed(store, 10)) == 2
    assert blocked(store, 10) == Wait(5.0, "token")


def test_each_batch_of_a_large_ingestion_has_its_own_ids_at_every_attempt(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    submit(store, range(9000))
    first, second = claimed(store, 2)
    assert (first.batch.ids, second.batch.ids) == ([0, 1, 2], [3, 4, 5])
    retry(store, second, BOOM, 0.0)
    retry(store, first, BOOM, 0.0)
    assert [claim.batch.ids for claim in claimed(store, 3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_failed_attempt_goes_again_at_its_rank(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1)
    first = submit(store, range(1, 7))
    submit(store, [9])
    batch = claimed(store)[0]
    retry(store, batch, BOOM, 2.0)
    clock.advance(1)
    second = claimed(store)[0]
    assert second.batch.ids == [4, 5, 6]
    clock.advance(1)
    ((told, _),) = store.upcoming(9)[:1]
    assert (told.ids, told.status, told.error) == ([1, 2, 3], Status.TRIGGERED, BOOM)
    again = claimed(store)[0]
    assert (again.batch.ids, again.batch.attempt, again.batch.error) == ([1, 2, 3], 2, BOOM)
    assert (second.batch.error, batch.batch.error) == (None, None)
    ((told, _),) = store.upcoming(9)
    assert (told.ids, told.status, told.error) == ([9], Status.YET_TO_START, None)
    assert store.batches(first.id)[1][0].error == BOOM


def test_the_last_end_finishes_the_ingestion(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, range(1, 6))
    one, two = claimed(store, 5)
    assert store.get(ingestion.id).status == Status.TRIGGERED
    bury(store, one, BOOM)
    ended = finish(store, two, '"ok"')
    assert ended is not None
    assert ended.status == Status.FAILED
    assert ended.finished_at is not None
    assert list(store.results(ingestion.id)) == [(4, '"ok"'), (5, '"ok"')]


def test_an_outcome_of_a_lost_claim_changes_nothing(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, lease=30)
    ingestion = submit(store, [1, 2, 3])
    stale = claimed(store)[0]
    clock.advance(31)
    [(lost, after)] = store.recover()
    assert (lost.batch.attempt, lost.batch.status, after.status) == (1, Status.TRIGGERED, Status.TRIGGERED)
    assert store.recover() == []
    fresh = claimed(store)[0]
    assert fresh.batch.attempt == 2
    assert finish(store, stale) is None
    assert store.get(ingestion.id).status == Status.TRIGGERED
    assert finish(store, fresh) is not None
    assert store.get(ingestion.id).status == Status.COMPLETED


def test_a_lost_claim_tells_the_priority_that_its_ingestion_has_by_then(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0, lease=30)
    ingestion = submit(store, [1, 2, 3], Priority.LOW)
    assert claimed(store)[0].batch.priority == Priority.LOW
    store.move(ingestion.id, Priority.HIGH)
    clock.advance(31)
    [(lost, _)] = store.recover()
    assert lost.batch.priority == Priority.HIGH


def test_a_claim_is_not_lost_before_its_lease_has_run_out(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(lease=30)
    submit(store, [1])
    batch = claimed(store)[0]
    assert store.recover() == []
    clock.advance(29.9)
    assert store.recover() == []
    store.renew([batch])
    clock.advance(29.9)
    assert store.recover() == []
    clock.advance(0.1)
    assert [lost.batch.id for lost, _ in store.recover()] == [batch.batch.id]


def test_each_batch_of_a_page_tells_its_attempt_and_its_times(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store, begin = new_store(interval=1), clock.now()
    ingestion = submit(store, range(1, 13))
    assert ingestion.started_at is None
    for end in (finish, lambda *of: bury(*of, BOOM), release, lambda *of: retry(*of, BOOM, 60.0)):
        claim = claimed(store)[0]
        clock.advance(0.5)
        end(store, claim)
        clock.advance(0.5)
    claimed(store)
    batches = list(store.batches(ingestion.id)[1])
    assert [(one.status, one.attempt, one.error) for one in batches] == [
        (Status.COMPLETED, 1, None),
        (Status.FAILED, 1, BOOM),
        (Status.TRIGGERED, 1, BOOM),
        (Status.TRIGGERED, 1, None),
    ]
    assert store.get(ingestion.id).started_at == begin
    # The one released started once more, a second later.
    assert [one.started_at for one in batches] == [begin, begin + 1, begin + 3, begin + 4]
    assert [one.finished_at for one in batches] == [begin + 0.5, begin + 1.5, None, None]
    assert [one.next_attempt_at for one in batches] == [None, None, begin + 63.5, None]
    for first in range(4):
        page = store.batches(ingestion.id, first, 2)[1]
        assert list(page) == batches[first : first + 2]
        assert len(page.started) == len(page.finished) == len(page)


def test_batches_that_all_run_for_the_first_time_are_one_run_of_their_page(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, range(1, 10))
    claims = claimed(store, 3)
    assert list(store.batches(ingestion.id)[1].runs()) == [(range(3), Status.TRIGGERED, 1)]
    for claim in claims:
        finish(store, claim)
    assert list(store.batches(ingestion.id)[1].runs()) == [(range(3), Status.COMPLETED, 1)]


def test_what_is_lost_is_told_as_it_stands_afterwards(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, lease=30, max_attempts=2)
    ingestion = submit(store, [1, 2, 3, 4])
    first, last = claimed(store, 2)
    retry(store, last, BOOM, 1)
    clock.advance(5)
    again = claimed(store)[0]
    clock.advance(30)
    lost = store.recover()
    assert [claim for claim, _ in lost] == [
        first._replace(batch=first.batch._replace(error=LOST)),
        again._replace(batch=again.batch._replace(status=Status.FAILED, error=LOST)),
    ]
    assert [after.counts for _, after in lost][-1] == store.get(ingestion.id).counts == Counts(triggered=1, failed=1)
    assert store.batches(ingestion.id)[1][0].error == LOST


def test_what_is_lost_of_a_cancelled_ingestion_is_cancelled(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(lease=30)
    ingestion = submit(store, [1])
    claimed(store)
    store.cancel(ingestion.id)
    clock.advance(31)
    [(lost, after)] = store.recover()
    assert (lost.batch.status, after.status) == (Status.CANCELLED, Status.CANCELLED)


def test_a_heartbeat_keeps_the_lease(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(lease=30)
    submit(store, [1])
    batch = claimed(store)[0]
    clock.advance(20)
    store.renew([batch])
    clock.advance(20)
    store.recover()
    assert finish(store, batch) is not None


def test_a_released_batch_is_untouched(store: Store, clock: FakeClock) -> None:
    submit(store, [1])
    release(store, claimed(store)[0])
    store.hold(60)
    clock.advance(5)
    assert blocked(store) == Wait(55.0, "hold", clock.now() + 55)
    clock.advance(55)
    assert claimed(store)[0].batch.attempt == 1


def test_a_claim_says_since_when_the_batch_was_due(store: Store, clock: FakeClock) -> None:
    submit(store, [1])
    clock.advance(7)
    batch = claimed(store)[0]
    assert batch.due_at == clock.now() - 7
    retry(store, batch, BOOM, 3.0)
    clock.advance(20)
    assert claimed(store)[0].due_at == clock.now() - 17


def test_an_outcome_of_a_claim_before_a_redrive_changes_nothing(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0, lease=30, max_attempts=1)
    ingestion = submit(store, [1, 2, 3])
    stale = claimed(store)[0]
    clock.advance(31)
    assert [after.status for _, after in store.recover()] == [Status.FAILED]
    store.redrive(ingestion.id)
    fresh = claimed(store)[0]
    assert fresh.batch.attempt == stale.batch.attempt
    clock.advance(20)
    store.renew([stale])
    assert finish(store, stale) is None
    clock.advance(20)
    store.recover()
    assert finish(store, fresh) is None
    assert store.get(ingestion.id).status == Status.FAILED


def test_an_outcome_of_an_attempt_before_changes_nothing_though_both_began_at_one_moment(
    new_store: Callable[..., Store],
) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [1, 2, 3])
    stale = claimed(store)[0]
    retry(store, stale, BOOM, 0.0)
    fresh = claimed(store)[0]
    assert (fresh.batch.attempt, fresh.claimed_at) == (2, stale.claimed_at)
    assert finish(store, stale) is None
    assert store.get(ingestion.id).status == Status.TRIGGERED
    assert finish(store, fresh) is not None


def test_the_next_batch_can_be_claimed_with_an_ack(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1)
    ingestion = submit(store, range(1, 9))
    one = claimed(store)[0]
    assert proceed(store, one, ["1", "2", "3"])[1] == Wait(1.0, "token")
    assert store.get(ingestion.id).counts.completed == 1
    clock.advance(1)
    two = claimed(store)[0]
    clock.advance(1)
    after, answer = proceed(store, two, [])
    assert after is not None
    assert after.counts.completed == 2
    assert not isinstance(answer, Wait)
    assert [claim.batch.ids for claim in answer] == [[7, 8]]
    assert proceed(store, two, ["4", "5", "6"]) == (None, Wait(None, "empty"))
    ended, _ = proceed(store, answer[0], [])
    assert ended is not None
    assert ended.status is Status.COMPLETED
    assert list(store.results(ingestion.id))[:4] == [(1, "1"), (2, "2"), (3, "3"), (4, "null")]


def starts(store: Store) -> dict[int, int]:
    return {number: minute.starts for number, minute in store.minutes().items()}


def test_starts_are_counted_by_the_minute_for_an_hour(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, dispatch_log=5)
    submit(store, range(1, 3001))
    first = int(clock.now() // 60)
    for minute in range(70):
        for _ in range(1 + minute % 3):
            finish(store, claimed(store)[0])
        # Some minutes have no start, and one call may start several.
        if minute == 40:
            claimed(store, 4)
        clock.advance(60 if minute != 50 else 180)
    last = int(clock.now() // 60)
    expected = {first + minute + 2 * (minute > 50): 1 + minute % 3 + 4 * (minute == 40) for minute in range(70)}
    assert starts(store) == {minute: count for minute, count in expected.items() if minute > last - 60}


def test_an_hour_has_sixty_minutes(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    submit(store, range(1, 190))
    for _ in range(62):
        claimed(store)
        clock.advance(60)
    clock.advance(-60)
    last = int(clock.now() // 60)
    assert starts(store) == dict.fromkeys(range(last - 59, last + 1), 1)
    clock.advance(59 * 60)
    assert starts(store) == {last: 1}
    clock.advance(60)
    assert starts(store) == {}


def test_the_log_holds_the_latest_starts_all_of_them_at_any_time(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, dispatch_log=7)
    submit(store, range(1, 1000))
    started = 0
    while started < 330:
        started += len(claimed(store, 1 + started % 4))
        log = store.dispatches(1000)
        assert [one.position for one in log] == list(range(started))[-7:]
        assert [one.position for one in store.dispatches(2)] == list(range(started))[-2:]


def test_a_clock_that_is_set_back_loses_no_start(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    submit(store, range(1, 31))
    for seconds in (0, 120, -180, 60, 300):
        clock.advance(seconds)
        claimed(store)
    assert sum(starts(store).values()) == 5


@pytest.mark.parametrize(("limits", "most"), [("", 10), ("1/10s", 21), ("6/min burst 2, 1/10s", 121)])
def test_a_clock_that_is_set_back_while_nothing_runs_delays_a_start_by_little(
    new_store: Callable[..., Store], clock: FakeClock, limits: str, most: int
) -> None:
    store = new_store(interval=0 if limits else 10, limits=limits)
    submit(store, [1, 2, 3])
    finish(store, claimed(store)[0])
    assert blocked(store).reason == "empty"
    clock.advance(-3600)
    submit(store, [4, 5, 6])
    for _ in range(most):
        assert blocked(store).reason == "token"
        clock.advance(1)
        if not isinstance(store.claim(1), Wait):
            return
    pytest.fail(f"nothing started for {most} seconds")


def test_a_retry_and_what_never_started_may_go_in_one_step(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, batch_size=1)
    made = submit(store, [1, 2, 3])
    retry(store, claimed(store)[0], BOOM, 0.0)
    assert [one.batch.position for one in claimed(store, 3)] == [0, 1, 2]
    assert store.get(made.id).counts == Counts(triggered=3)
    estimate = estimate_of(store, made.id)
    assert estimate is not None
    assert (estimate.start, store.stats().running, store.upcoming(9)) == (None, 3, [])


def test_claims_that_end_together_are_seen_to_end_at_once(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    submit(store, range(300))
    seen, all_ended = {100}, threading.Event()

    def look() -> None:
        while not all_ended.is_set():
            seen.add(store.stats().running)

    looker, before = threading.Thread(target=look), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        looker.start()
        for _ in range(10):
            store.end_together([(claim, Outcome.release()) for claim in claimed(store, 100)])
    finally:
        sys.setswitchinterval(before)
        all_ended.set()
        looker.join()
    assert seen <= {100, 0}
    assert store.stats().running == 0
