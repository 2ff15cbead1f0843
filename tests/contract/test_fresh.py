"""With FRESH, nothing is asked twice: what is known is served, and what is in process is awaited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.core import BatchError, Claim, Counts, Filter, Priority, Status, Strings, Wait
from app.errors import BacklogFull, QuotaFull
from app.outcomes import Outcome
from app.store import Store, Submission
from tests.support.clock import START, FakeClock
from tests.support.queueing import ack, blocked, bury, claimed, ended, finish, proceed, release, retry, submit
from tests.support.simulation import BOOM

GONE = BatchError("Failed", "no such record")

New = Callable[..., Store]


@pytest.fixture
def fresh(new_store: New) -> New:
    """Makes a store with FRESH=0, if nothing else is said, and no limit."""

    def make(**changes: Any) -> Store:
        return new_store(**{"fresh": 0, "interval": 0, "batch_size": 3} | changes)

    return make


def told(store: Store, ingestion_id: str) -> dict[Any, Any]:
    return dict(store.results(ingestion_id, failed=True))


def answered(store: Store, ids: list[int], texts: list[Any], **more: Any) -> str:
    """An ingestion whose only batch is asked and answered."""
    ingestion = submit(store, ids, **more)
    (claim,) = claimed(store)
    assert claim.batch.ids == ids
    ack(store, claim, texts)
    return ingestion.id


class TestWhatIsKnown:
    def test_serves_a_later_submission_within_fresh_seconds(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60)
        answered(store, [1, 2], ['"a"', '"b"'])
        clock.advance(59)
        ingestion = submit(store, [2, 1])
        assert (ingestion.status, ingestion.served) == (Status.COMPLETED, 2)
        assert (ingestion.started_at, ingestion.finished_at) == (None, START + 59)
        assert list(store.results(ingestion.id)) == [(2, '"b"'), (1, '"a"')]
        (batch,) = store.batches(ingestion.id)[1]
        assert (batch.attempt, batch.started_at, batch.finished_at) == (0, None, START + 59)
        assert [one.ingestion.id for one in store.served.take()] == [ingestion.id]
        assert (store.served.ids, store.served.batches) == (2, 1)
        assert len(store.dispatches(9)) == 1
        assert blocked(store) == Wait(None, "empty")

    def test_serves_none_that_came_later(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60)
        answered(store, [1, 2], ['"a"', '"b"'])
        clock.advance(60)
        ingestion = submit(store, [1, 2])
        assert (ingestion.status, ingestion.served) == (Status.YET_TO_START, 0)
        assert claimed(store)[0].batch.ids == [1, 2]

    def test_serves_what_waited_when_it_came(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(interval=5)
        first, second = submit(store, [1, 2, 3]), submit(store, [3, 1])
        ack(store, claimed(store)[0], ['"a"', '"b"', '"c"'])
        assert blocked(store) == Wait(None, "empty")
        assert store.get(second.id).status is Status.COMPLETED
        assert told(store, second.id) == {3: '"c"', 1: '"a"'}
        assert store.get(first.id).served == 0
        third = submit(store, [1])
        assert third.status is Status.YET_TO_START
        clock.advance(5)
        assert claimed(store)[0].batch.ids == [1]

    def test_serves_what_comes_up_while_a_token_is_missing(self, fresh: New) -> None:
        """Because what was ahead of it was cancelled, or an answer came."""
        store = fresh(interval=3600, batch_size=1)
        first, ahead, known = submit(store, [1]), submit(store, [9]), submit(store, [1])
        (claim,) = claimed(store)
        ack(store, claim, ['"a"'])
        assert blocked(store).reason == "token"
        store.cancel(ahead.id)
        assert blocked(store) == Wait(None, "empty")
        assert told(store, known.id) == told(store, first.id) == {1: '"a"'}

    def test_is_counted_for_a_batch_with_more_to_ask_once_that_starts(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(interval=5, key_quota=3)
        submit(store, [1], owner="me")
        ingestion = submit(store, [1, 2], owner="me")
        ack(store, claimed(store)[0], ['"a"'])
        assert blocked(store).reason == "token"
        assert (store.get(ingestion.id).served, told(store, ingestion.id)) == (0, {})
        with pytest.raises(QuotaFull):
            submit(store, [3, 4], owner="me")
        clock.advance(5)
        (claim,) = claimed(store)
        assert (claim.batch.ids, store.get(ingestion.id).served, store.served.ids) == ([2], 1, 1)
        assert told(store, ingestion.id) == {1: '"a"'}

    def test_is_dropped_from_the_call(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, key_quota=5)
        answered(store, [1], ['"a"'], owner="me")
        ingestion = submit(store, [2, 1, 3], owner="me")
        assert ingestion.served == 0
        (claim,) = claimed(store)
        assert (claim.batch.ids, claim.batch.asked) == ([2, 3], (0, 2))
        assert store.get(ingestion.id).served == 1
        assert told(store, ingestion.id) == {1: '"a"'}
        retry(store, claim, BOOM, 5)
        clock.advance(5)
        submit(store, range(10, 13), owner="me")
        with pytest.raises(QuotaFull):
            submit(store, [20], owner="me")
        (claim, _) = claimed(store, 2)
        assert (claim.batch.ids, claim.batch.attempt) == ([2, 3], 2)
        ack(store, claim, ['"b"', '"c"'])
        after = store.get(ingestion.id)
        assert (after.status, after.served) == (Status.COMPLETED, 1)
        assert told(store, ingestion.id) == {2: '"b"', 1: '"a"', 3: '"c"'}
        assert store.served.ids == 1

    def test_without_the_setting_is_asked_again(self, new_store: New) -> None:
        store = new_store(interval=0)
        answered(store, [1], ['"a"'])
        ingestion = submit(store, [1])
        assert ingestion.served is None
        assert claimed(store)[0].batch.ids == [1]

    def test_is_no_failure(self, fresh: New) -> None:
        store = fresh(fresh=60)
        submit(store, [1, 2])
        ended(store, claimed(store)[0], Outcome.ack(['"a"', GONE]))
        submit(store, [3])
        bury(store, claimed(store)[0], BOOM)
        assert submit(store, [1]).status is Status.COMPLETED
        submit(store, [2, 3])
        assert claimed(store)[0].batch.ids == [2, 3]

    def test_may_be_null(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1], [])
        assert told(store, submit(store, [1]).id) == {1: "null"}

    def test_is_told_from_an_id_of_the_other_type(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [7], ['"number"'])
        text = store.add(Submission(Strings.of(["7"]), Priority.HIGH))[0]
        assert text.status is Status.YET_TO_START
        ack(store, claimed(store)[0], ['"text"'])
        assert told(store, store.add(Submission(Strings.of(["7"]), Priority.HIGH))[0].id) == {"7": '"text"'}
        assert told(store, submit(store, [7]).id) == {7: '"number"'}

    def test_outlives_its_ingestion(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, retention=5)
        answered(store, [1], ['"a"'])
        clock.advance(30)
        assert sum(store.prune()) == 1
        assert told(store, submit(store, [1]).id) == {1: '"a"'}

    def test_is_forgotten_once_it_serves_nobody(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, retention=5)
        answered(store, [1], ['"a"'])
        clock.advance(61)
        sum(store.prune())
        clock.reset()
        assert submit(store, [1]).status is Status.YET_TO_START

    def test_that_is_too_many_and_too_old_is_forgotten_too(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, retention=5, fresh_max=1)
        for one in (1, 2):
            answered(store, [one], ['"a"'])
        clock.advance(61)
        sum(store.prune())
        clock.reset()
        assert not any(submit(store, [one]).status.final for one in (1, 2))

    def test_is_bounded_and_the_least_recently_used_goes_first(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=1000, fresh_max=3)
        for one in (1, 2, 3):
            answered(store, [one], [f"{one}"])
            clock.advance(1)
        assert submit(store, [1]).status is Status.COMPLETED
        clock.advance(1)
        answered(store, [4], ["4"])
        sum(store.prune())
        assert [submit(store, [one]).status.final for one in (1, 2, 3, 4)] == [True, False, True, True]

    def test_an_answer_that_came_again_or_served_a_batch_in_line_is_used(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=1000, fresh_max=3)
        for one in (1, 2, 3):
            answered(store, [one], [f"{one}"])
            clock.advance(1)
        answered(store, [1], ['"again"'], fresh=0)
        clock.advance(1)
        waits = submit(store, [9, 9, 9, 2])
        (claim,) = claimed(store)
        assert blocked(store).reason == "empty"
        clock.advance(1)
        finish(store, claim)
        assert store.get(waits.id).status is Status.COMPLETED
        sum(store.prune())
        # Of four, 3 is the one whose last use is longest ago.
        assert [submit(store, [one]).status.final for one in (1, 2, 9, 3)] == [True, True, True, False]

    def test_is_forgotten_once_it_was_not_used_for_long_and_the_rest_is_kept(
        self, fresh: New, clock: FakeClock
    ) -> None:
        store = fresh(fresh=60, retention=60)
        answered(store, [1], ['"a"'])
        clock.advance(50)
        answered(store, [2], ['"b"'])
        clock.advance(20)
        sum(store.prune())
        assert submit(store, [2]).status is Status.COMPLETED

    def test_serves_several_batches_each_of_which_ends_then(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60)
        for first in (1, 4, 7):
            answered(store, [first, first + 1, first + 2], ["1", "2", "3"])
        clock.advance(10)
        ingestion = submit(store, range(1, 10))
        told = [(one.started_at, one.finished_at, one.attempt) for one in store.batches(ingestion.id)[1]]
        assert told == [(None, START + 10, 0)] * 3

    def test_that_serves_the_first_batch_has_its_ingestion_listed_as_begun(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1, 2, 3], ["1", "2", "3"])
        begun = submit(store, range(1, 7))
        assert begun.status is Status.TRIGGERED
        assert store.ingestions(Filter(Status.TRIGGERED)) == [begun]
        assert store.ingestions(Filter(Status.YET_TO_START)) == []

    def test_is_kept_while_it_is_used(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, retention=60)
        answered(store, [1], ['"a"'])
        clock.advance(50)
        waits = submit(store, [2, 3, 4, 1])
        assert submit(store, [1]).status is Status.COMPLETED
        clock.advance(20)
        sum(store.prune())
        finish(store, claimed(store)[0])
        assert blocked(store).reason == "empty"
        assert store.get(waits.id).served == 1

    def test_serves_a_batch_in_line_before_one_that_starts_later(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=60, interval=5)
        answered(store, [4, 5, 6], ["4", "5", "6"])
        ingestion = submit(store, range(1, 7))
        clock.advance(5)
        (claim,) = claimed(store)
        assert claim.batch.ids == [1, 2, 3]
        blocked(store)
        clock.advance(5)
        blocked(store)
        running, served = store.batches(ingestion.id)[1]
        assert (running.started_at, running.finished_at) == (START + 5, None)
        assert (served.status, served.started_at) == (Status.COMPLETED, None)
        (told,) = store.served.take()
        assert served.finished_at is not None
        assert told.waited == pytest.approx(served.finished_at - START)

    def test_serves_a_batch_that_waits_for_its_retry_and_its_error_goes(self, fresh: New) -> None:
        store = fresh(fresh=60)
        ingestion = submit(store, [1])
        retry(store, claimed(store)[0], BOOM, 0.0)
        answered(store, [1, 2], ['"a"', '"b"'], priority=Priority.HIGH, fresh=0)
        blocked(store)
        (batch,) = store.batches(ingestion.id)[1]
        assert (batch.status, batch.error, batch.attempt) == (Status.COMPLETED, None, 1)
        assert store.get(ingestion.id).counts == Counts(completed=1)

    def test_counts_from_the_submission_however_long_it_waits(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(fresh=10)
        answered(store, [1], ['"a"'])
        clock.advance(9)
        waits = submit(store, [2, 3, 4, 1])
        clock.advance(3600)
        finish(store, claimed(store)[0])
        assert blocked(store).reason == "empty"
        assert store.get(waits.id).served == 1


class TestInsisting:
    def test_only_what_comes_after_the_submission_counts(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1], ['"a"'])
        ingestion = submit(store, [1], fresh=0)
        assert ingestion.status is Status.YET_TO_START
        other = submit(store, [1], fresh=0)
        ack(store, claimed(store)[0], ['"new"'])
        assert blocked(store).reason == "empty"
        assert told(store, ingestion.id) == told(store, other.id) == {1: '"new"'}
        assert [store.get(one.id).served for one in (ingestion, other)] == [0, 1]


class TestOwners:
    def test_each_has_answers_of_its_own(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1], ['"a"'], owner="web")
        assert submit(store, [1], owner="web").status is Status.COMPLETED
        assert submit(store, [1]).status is Status.YET_TO_START
        assert submit(store, [1], owner="nightly").status is Status.YET_TO_START
        assert len(claimed(store, 9)) == 2

    def test_share_them_if_that_is_set(self, fresh: New) -> None:
        store = fresh(fresh=60, fresh_shared=True)
        answered(store, [1], ['"a"'], owner="web")
        assert submit(store, [1], owner="nightly").status is Status.COMPLETED
        assert submit(store, [1]).status is Status.COMPLETED


class TestWhatIsInProcess:
    def test_is_not_asked_again_but_awaited(self, fresh: New) -> None:
        store = fresh()
        submit(store, [1, 2])
        waits, behind = submit(store, [5, 2]), submit(store, [6])
        first, second = claimed(store, 9)
        assert second.batch.ingestion_id == behind.id
        assert blocked(store) == Wait(None, "answer")
        assert store.stats().waiting_on == "answer"
        assert [batch.ingestion_id for batch, _ in store.upcoming(9)] == [waits.id]
        ack(store, first, ['"a"', '"b"'])
        (last,) = claimed(store, 9)
        assert (last.batch.ids, last.batch.attempt) == ([5], 1)
        ack(store, last, ['"e"'])
        assert told(store, waits.id) == {5: '"e"', 2: '"b"'}

    def test_ends_those_that_await_it_when_it_ends(self, fresh: New) -> None:
        store = fresh(interval=5)
        submit(store, [1])
        waits = [submit(store, [1]) for _ in range(20)]
        (claim,) = claimed(store)
        assert blocked(store).reason == "answer"
        after, answer = proceed(store, claim, ['"a"'])
        assert after is not None
        assert answer == Wait(None, "empty")
        assert {store.get(one.id).status for one in waits} == {Status.COMPLETED}
        assert len(store.served.take()) == 20
        assert len(store.dispatches(99)) == 1

    @pytest.mark.parametrize("outcome", [Outcome.bury(BOOM), Outcome.retry(BOOM, 60.0)])
    def test_that_failed_lets_the_most_urgent_ask_it(self, fresh: New, clock: FakeClock, outcome: Outcome) -> None:
        store = fresh(interval=5)
        submit(store, [1], Priority.HIGH)
        low, medium = submit(store, [1], Priority.LOW), submit(store, [1])
        (claim,) = claimed(store)
        other = submit(store, [7], Priority.LOW)
        clock.advance(5)
        assert claimed(store)[0].batch.ingestion_id == other.id
        clock.advance(5)
        assert blocked(store).reason == "answer"
        store.end(claim, outcome)
        (second,) = claimed(store)
        assert second.batch.ingestion_id == medium.id
        ack(store, second, ['"a"'])
        store.claim(1)
        assert told(store, low.id) == {1: '"a"'}

    def test_that_was_put_back_keeps_its_place(self, fresh: New) -> None:
        store = fresh()
        first = submit(store, [1])
        submit(store, [1])
        (claim,) = claimed(store)
        assert blocked(store).reason == "answer"
        release(store, claim)
        (again,) = claimed(store)
        assert again.batch.ingestion_id == first.id

    def test_whose_lease_ran_out_is_asked_by_another(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(lease=10, max_attempts=1)
        submit(store, [1])
        waits = submit(store, [1])
        claimed(store)
        assert blocked(store).reason == "answer"
        clock.advance(11)
        assert len(store.recover()) == 1
        assert claimed(store)[0].batch.ingestion_id == waits.id

    def test_a_late_outcome_is_no_answer(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(lease=10, max_attempts=1, fresh=60)
        submit(store, [1])
        (late,) = claimed(store)
        clock.advance(11)
        store.recover()
        assert store.end(late, Outcome.ack(['"late"'])) is None
        assert submit(store, [1]).status is Status.YET_TO_START

    def test_within_an_ingestion_is_awaited_too(self, fresh: New) -> None:
        store = fresh()
        ingestion = submit(store, [1, 2, 3, 3, 1, 2, 4])
        claims = claimed(store, 9)
        assert [claim.batch.ids for claim in claims] == [[1, 2, 3], [4]]
        assert [one.started_at for one in store.batches(ingestion.id)[1]] == [START, None, START]
        for claim in claims:
            finish(store, claim)
        assert blocked(store).reason == "empty"
        after = store.get(ingestion.id)
        assert (after.status, after.served) == (Status.COMPLETED, 3)
        assert len(list(store.results(ingestion.id))) == 7

    def test_is_nothing_to_a_cancelled_ingestion(self, fresh: New) -> None:
        store = fresh()
        submit(store, [1])
        cancelled, kept = submit(store, [1]), submit(store, [1])
        (claim,) = claimed(store)
        assert blocked(store).reason == "answer"
        store.cancel(cancelled.id)
        finish(store, claim)
        assert blocked(store).reason == "empty"
        assert store.get(cancelled.id).status is Status.CANCELLED
        assert store.get(kept.id).status is Status.COMPLETED
        assert sum(depth.waiting for depth in store.stats().depths.values()) == 0

    def test_does_not_hold_up_the_queue_of_others(self, fresh: New, clock: FakeClock) -> None:
        store = fresh(interval=5)
        submit(store, [1])
        claimed(store)
        for _ in range(3):
            submit(store, [1], Priority.HIGH)
        other = submit(store, [2], Priority.LOW)
        clock.advance(5)
        assert claimed(store)[0].batch.ingestion_id == other.id

    def test_that_was_put_back_in_line_is_due_since_then(self, fresh: New, clock: FakeClock) -> None:
        store = fresh()
        submit(store, [1])
        waits = submit(store, [1])
        (claim,) = claimed(store)
        blocked(store)
        clock.advance(7)
        bury(store, claim, BOOM)
        claimed(store)
        assert [(one.ingestion_id, one.due_at) for one in store.dispatches(9)][1:] == [(waits.id, START + 7)]


class TestAtTheDoor:
    def test_what_is_known_needs_no_room(self, fresh: New) -> None:
        store = fresh(fresh=60, max_pending=1, key_quota=3)
        answered(store, [1, 2, 3], ["1", "2", "3"], owner="me")
        submit(store, [9, 8, 7], owner="me")
        assert submit(store, [1, 2, 3], owner="me").status is Status.COMPLETED
        with pytest.raises(QuotaFull):
            submit(store, [1, 2, 3, 4], owner="me")
        with pytest.raises(BacklogFull):
            submit(store, [4])

    def test_the_first_batches_end_up_to_the_first_that_is_to_be_asked(self, fresh: New) -> None:
        store = fresh(fresh=60)
        for ids in ([1, 2, 3], [4, 5, 6], [10, 11, 12]):
            answered(store, ids, [str(one) for one in ids])
        ingestion = submit(store, [*range(1, 8), 20, 21, 10, 11, 12, 30])
        assert (ingestion.status, ingestion.counts.completed, ingestion.served) == (Status.TRIGGERED, 2, 6)
        claims = claimed(store, 9)
        assert [(claim.batch.position, claim.batch.ids) for claim in claims] == [(2, [7, 20, 21]), (4, [30])]
        for claim in claims:
            finish(store, claim)
        after, batches = store.batches(ingestion.id)
        assert (after.status, after.served) == (Status.COMPLETED, 9)
        assert [batch.attempt for batch in batches] == [0, 0, 1, 0, 1]
        assert [one for one, _ in store.results(ingestion.id)] == [*range(1, 8), 20, 21, 10, 11, 12, 30]

    def test_what_is_answered_at_once_has_no_estimate_to_miss(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1], ["1"])
        judged = [one.judged for one in store.minutes().values()]
        assert submit(store, [1]).status is Status.COMPLETED
        assert [one.judged for one in store.minutes().values()] == judged

    def test_its_key_is_known_later(self, fresh: New) -> None:
        store = fresh(fresh=60)
        answered(store, [1], ["1"])
        more = {"key": "once", "fingerprint": "1"}
        first, again = submit(store, [1], **more), submit(store, [1], **more)
        assert (again.id, again.status) == (first.id, Status.COMPLETED)
        assert store.served.batches == 1

    def test_very_many_are_served_a_few_at_a_time(self, fresh: New) -> None:
        store = fresh(fresh=60, batch_size=1, concurrency=1000)
        ids = list(range(1, 2501))
        for first in range(0, 2500, 500):
            submit(store, ids[first : first + 500])
        while not isinstance(answer := store.claim(1000), Wait):
            store.end_together([(claim, Outcome.ack(["true"])) for claim in answer])
        ingestion = submit(store, ids)
        assert ingestion.served == 1000
        steps = 0
        while blocked(store) == Wait(0.0, "answer"):
            steps += 1
            assert steps < 99
        assert steps >= 1
        assert store.get(ingestion.id).served == 2500
        assert len(list(store.results(ingestion.id))) == 2500


class TestBatchesThatGoIdById:
    def test_are_served_what_others_answer(self, fresh: New) -> None:
        store = fresh(split_failed=True)
        ingestion = submit(store, [1, 2, 3])
        bury(store, claimed(store)[0], BOOM)
        other = submit(store, [2, 3], Priority.HIGH)
        claims = claimed(store, 9)
        assert [claim.batch.ids for claim in claims] == [[2, 3], [1]]
        ack(store, claims[0], ['"b"', '"c"'])
        bury(store, claims[1], GONE)
        assert blocked(store).reason == "empty"
        assert store.get(other.id).status is Status.COMPLETED
        after = store.get(ingestion.id)
        assert (after.status, after.served) == (Status.FAILED, 2)
        assert told(store, ingestion.id) == {1: GONE, 2: '"b"', 3: '"c"'}
        (served,) = store.served.take()
        assert (served.batch.status, served.batch.error) == (
            Status.FAILED,
            BatchError("Failed", "1 of 3 ids failed; the first: no such record"),
        )
        assert store.stats().failed == 1

    def test_a_redrive_asks_only_what_is_not_known_by_now(self, fresh: New) -> None:
        store = fresh(fresh=60)
        ingestion = submit(store, [1, 2])
        bury(store, claimed(store)[0], BOOM)
        answered(store, [2], ['"b"'])
        store.redrive(ingestion.id)
        (claim,) = claimed(store)
        assert claim.batch.ids == [1]
        ack(store, claim, ['"a"'])
        assert told(store, ingestion.id) == {1: '"a"', 2: '"b"'}
        assert store.stats().failed == 0


def test_of_ids_that_go_one_by_one_what_is_served_leaves_the_line(fresh: New) -> None:
    store = fresh(fresh=60, split_failed=True)
    split = submit(store, [1, 2, 3])
    bury(store, claimed(store)[0], BOOM)
    answered(store, [1], ['"a"'], priority=Priority.HIGH, fresh=0)
    for one in (2, 3):
        (claim,) = claimed(store)
        assert claim.batch.ids == [one]
        finish(store, claim)
    assert store.get(split.id).status is Status.COMPLETED
    submit(store, [9])
    assert claimed(store)[0].batch.ids == [9]


def test_where_the_rest_was_served_only_what_failed_waits_once_it_is_started_over(fresh: New) -> None:
    store = fresh(fresh=60, split_failed=True, key_quota=4)
    split = submit(store, [1, 2, 3], owner="me")
    for _ in range(2):
        bury(store, claimed(store)[0], BOOM)
    answered(store, [2, 3], ['"b"', '"c"'], owner="me", priority=Priority.HIGH, fresh=0)
    assert blocked(store).reason == "empty"
    assert store.redrive(split.id).counts.failed == 0
    submit(store, [7, 8, 9], owner="me")
    with pytest.raises(QuotaFull):
        submit(store, [10], owner="me")


def test_a_released_batch_is_served_what_came_meanwhile(fresh: New) -> None:
    store = fresh(fresh=60)
    ingestion = submit(store, [1])
    (claim,) = claimed(store)
    release(store, claim)
    other = submit(store, [1], Priority.HIGH)
    ack(store, claimed(store)[0], ['"a"'])
    assert blocked(store).reason == "empty"
    assert {store.get(one.id).status for one in (ingestion, other)} == {Status.COMPLETED}


def test_a_repeated_outcome_is_recognised_although_some_ids_were_served(fresh: New) -> None:
    """Only a durable store can lose an answer."""
    store = fresh(fresh=60)
    if not store.durable:
        pytest.skip("memory answers always")
    answered(store, [1], ['"a"'])
    submit(store, [1, 2])
    (claim,) = claimed(store)
    first = store.end(claim, Outcome.ack(['"b"']))
    assert first is not None
    assert store.end(claim, Outcome.ack(['"b"'])) == first
    assert store.end(claim, Outcome.ack(['"c"'])) is None


def test_estimates_count_a_start_for_each(fresh: New, clock: FakeClock) -> None:
    store = fresh(interval=5)
    submit(store, [1])
    waits, behind = submit(store, [1]), submit(store, [2])
    claimed(store)
    clock.advance(1)
    blocked(store)
    found = {one.id: store.status(one.id)[1] for one in (waits, behind)}
    starts = [estimate.start if estimate else None for estimate in found.values()]
    assert starts == [START + 5, START + 10]
    clock.advance(4)
    claims: list[Claim] = claimed(store)
    assert claims[0].batch.ingestion_id == behind.id


def test_who_asks_an_id_is_forgotten_once_it_is_answered(fresh: New) -> None:
    store = fresh(fresh=60)
    ingestion = answered(store, [1, 2], ['"a"', GONE])
    store.redrive(ingestion)
    assert claimed(store)[0].batch.ids == [2]
    submit(store, [1], fresh=0)
    assert claimed(store)[0].batch.ids == [1]
