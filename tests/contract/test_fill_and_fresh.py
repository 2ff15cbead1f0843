"""With FILL and FRESH, a call is filled with what is left to ask, and what another call asks is awaited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.cli.verify import verify
from app.core import BatchError, Claim, Priority, Status, Wait, refused_together
from app.outcomes import Outcome
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import ack, blocked, claimed, estimate_of, finish, submit

GONE = BatchError("Failed", "no such record")

New = Callable[..., Store]


@pytest.fixture
def both(new_store: New) -> New:
    """Makes a store with FILL and FRESH=60, if nothing else is said, and no limit."""

    def make(**changes: Any) -> Store:
        return new_store(**{"fill": True, "fresh": 60, "interval": 0, "batch_size": 3} | changes)

    return make


def ids_of(call: Claim) -> list[list[Any]]:
    """The ids of each batch of a call, the leader's first."""
    return [list(one.batch.ids) for one in call.all]


def call_of(store: Store) -> Claim:
    (call,) = claimed(store)
    return call


def end(store: Store, call: Claim, text: str = '"a"') -> None:
    """All ids of a call are answered, and its batches end as a worker ends them."""
    told = [(one, Outcome.ack([text] * len(one.batch.ids))) for one in call.all]
    assert None not in store.end_together(told[1:])
    assert store.end(*told[0]) is not None


def know(store: Store, *ids: int) -> None:
    for one in ids:
        submit(store, [one])
        end(store, call_of(store), f'"{one}"')
    store.served.take()


class TestACall:
    def test_asks_only_the_rest_of_its_leader_and_has_the_places_free(self, both: New) -> None:
        store = both()
        know(store, 1, 2)
        leader = submit(store, [1, 2, 3])
        submit(store, [4, 5])
        assert ids_of(call_of(store)) == [[3], [4, 5]]
        assert store.get(leader.id).served == 2

    def test_serves_what_is_known_without_a_place(self, both: New) -> None:
        store = both()
        later = [submit(store, [3]), *(submit(store, [9]) for _ in range(20)), submit(store, [4])]
        first = call_of(store)
        assert ids_of(first) == [[3], [9]] + [[9]] * 9
        end(store, first)
        second = call_of(store)
        assert ids_of(second) == [[4]]
        assert [store.get(one.id).status for one in later[:-1]] == [Status.COMPLETED] * 21
        assert len(store.served.take()) == 10
        assert store.served.ids == 10

    def test_serves_what_comes_up_behind_its_leader(self, both: New) -> None:
        store = both(fresh=0)
        asks = submit(store, [1])
        call = call_of(store)
        known = [submit(store, [2, 1]), *(submit(store, [1]) for _ in range(30))]
        more = submit(store, [3])
        end(store, call, '"x"')
        assert store.get(asks.id).status is Status.COMPLETED
        assert ids_of(call_of(store)) == [[2], [3]]
        assert {store.get(one.id).status for one in known[1:]} == {Status.COMPLETED}
        assert store.get(known[0].id).served == 1
        assert store.get(more.id).status is Status.TRIGGERED
        assert store.served.batches == 30

    def test_takes_riders_by_what_is_left_of_them(self, both: New) -> None:
        store = both()
        know(store, 7)
        submit(store, [1])
        submit(store, [8])
        rider = submit(store, [7, 7, 2, 7, 7, 3])
        call = call_of(store)
        assert ids_of(call) == [[1], [8], [2]]
        end(store, call)
        assert ids_of(call_of(store)) == [[3]]
        assert store.get(rider.id).served == 4

    def test_takes_several_of_an_ingestion_by_what_is_left_of_them(self, both: New) -> None:
        store = both()
        know(store, 7)
        submit(store, [1])
        submit(store, [7, 7, 2, 7, 7, 7, 7, 7, 3])
        assert ids_of(call_of(store)) == [[1], [2], [3]]

    def test_of_the_leaders_ingestion_serves_what_comes_next(self, both: New) -> None:
        store = both()
        know(store, 7)
        ingestion = submit(store, [7, 7, 1, 7, 7, 7, 7, 7, 2, 7])
        call = call_of(store)
        assert ids_of(call) == [[1], [2]]
        assert store.get(ingestion.id).counts.completed == 2
        end(store, call)
        after = store.get(ingestion.id)
        assert (after.status, after.served) == (Status.COMPLETED, 8)

    def test_passes_an_id_of_two_of_its_batches_once_and_answers_both(self, both: New) -> None:
        store = both()
        one, two = submit(store, [1, 2]), submit(store, [2, 3])
        call = call_of(store)
        assert ids_of(call) == [[1, 2], [2, 3]]
        end(store, call, '"b"')
        assert [list(store.results(each.id)) for each in (one, two)] == [
            [(1, '"b"'), (2, '"b"')],
            [(2, '"b"'), (3, '"b"')],
        ]
        assert (store.get(one.id).served, store.get(two.id).served) == (0, 0)
        assert submit(store, [1, 2, 3]).status is Status.COMPLETED

    def test_does_not_take_what_shares_an_id_and_does_not_fit(self, both: New) -> None:
        store = both()
        submit(store, [1, 2])
        waits = submit(store, [2, 3, 4])
        submit(store, [5])
        call = call_of(store)
        assert ids_of(call) == [[1, 2], [5]]
        assert blocked(store).reason == "answer"
        end(store, call)
        assert ids_of(call_of(store)) == [[3, 4]]
        assert store.get(waits.id).served == 1


class TestAnIdInProcessElsewhere:
    def test_keeps_a_batch_from_riding(self, both: New) -> None:
        store = both()
        submit(store, [1, 2, 3])
        first = call_of(store)
        submit(store, [4])
        waits = submit(store, [5, 1])
        submit(store, [6])
        second = call_of(store)
        assert ids_of(second) == [[4], [6]]
        assert blocked(store).reason == "answer"
        end(store, first)
        assert ids_of(call_of(store)) == [[5]]
        assert store.get(waits.id).served == 1

    @pytest.mark.parametrize("nth", [0, 1])
    def test_is_awaited_until_its_call_has_ended(self, both: New, nth: int) -> None:
        store = both()
        submit(store, [1])
        submit(store, [2])
        call = call_of(store)
        assert ids_of(call) == [[1], [2]]
        waits = submit(store, [nth + 1])
        assert blocked(store).reason == "answer"
        end(store, call)
        assert blocked(store).reason == "empty"
        assert list(store.results(waits.id)) == [(nth + 1, '"a"')]

    def test_is_asked_again_where_it_failed(self, both: New) -> None:
        store = both()
        submit(store, [1])
        submit(store, [2])
        call = call_of(store)
        waits = [submit(store, [1]), submit(store, [2])]
        assert blocked(store).reason == "answer"
        store.end_together([(one, Outcome.ack([GONE])) for one in call.all])
        assert ids_of(call_of(store)) == [[1], [2]]
        assert {store.get(one.id).status for one in waits} == {Status.TRIGGERED}

    def test_is_asked_by_one_batch_at_a_time_after_a_refusal(self, both: New) -> None:
        store = both()
        submit(store, [1, 2])
        submit(store, [2, 3])
        call = call_of(store)
        assert len(call.riders) == 1
        error = refused_together(BatchError("PermanentError", "400"))
        store.end_together([(one, Outcome.retry(error, 0.0)) for one in call.all])
        first = call_of(store)
        assert ids_of(first) == [[1, 2]]
        assert blocked(store).reason == "answer"
        end(store, first)
        assert ids_of(call_of(store)) == [[3]]

    def test_is_asked_by_whoever_waited_once_a_lost_calls_lease_is_over(self, both: New, clock: FakeClock) -> None:
        store = both(lease=30)
        lost = [submit(store, [1]), submit(store, [2]), submit(store, [2])]
        assert ids_of(call_of(store)) == [[1], [2], [2]]
        waits = [submit(store, [1, 2]), submit(store, [2])]
        assert blocked(store).reason == "answer"
        clock.advance(31)
        assert len(store.recover()) == 3
        assert store.stats().running == 0
        again = call_of(store)
        assert ids_of(again) == [[1], [2], [2], [1, 2], [2]]
        assert blocked(store).reason == "empty"
        assert {store.get(one.id).status for one in lost + waits} == {Status.TRIGGERED}
        end(store, again)
        assert {store.get(one.id).status for one in lost + waits} == {Status.COMPLETED}
        assert not verify(store.dispatches(100), interval=0.001)


def test_answers_of_riders_serve_their_own_callers_only(both: New) -> None:
    store = both()
    submit(store, [1], owner="a")
    submit(store, [1], owner="b")
    call = call_of(store)
    assert ids_of(call) == [[1], [1]]
    end(store, call)
    assert [submit(store, [1], owner=one).status for one in "ab"] == [Status.COMPLETED] * 2
    assert submit(store, [1], owner="c").status is Status.YET_TO_START


def test_no_token_is_taken_for_what_rides_or_is_served(both: New, clock: FakeClock) -> None:
    store = both(interval=5)
    know(store, 7)
    clock.advance(5)
    for one in (1, 7, 2):
        submit(store, [8, one] if one == 7 else [one])
    call = call_of(store)
    assert ids_of(call) == [[1], [8], [2]]
    assert store.stats().running == 1
    submit(store, [9])
    assert blocked(store).reason == "token"
    assert sum(minute.starts for minute in store.minutes().values()) == 2


def test_estimates_are_the_latest_it_can_be(new_store: New) -> None:
    for chosen, latest in (
        ({}, False),
        ({"fill": True}, True),
        ({"fresh": 0}, True),
        ({"fill": True, "fresh": 0}, True),
    ):
        store = new_store(**chosen)
        submit(store, [1])
        waits = submit(store, [2])
        assert estimate_of(store, waits.id).at_latest is latest


def test_the_outcome_that_a_caller_claims_with_fills_its_next_call(both: New) -> None:
    store = both()
    submit(store, [1])
    call = call_of(store)
    submit(store, [1])
    submit(store, [2])
    submit(store, [3])
    _, claims = store.proceed(call, Outcome.ack(['"a"']))
    assert not isinstance(claims, Wait)
    assert ids_of(claims[0]) == [[2], [3]]
    assert store.served.batches == 1
    assert ack(store, claims[0], ['"b"']) is not None
    assert finish(store, claims[0].riders[0]) is not None


@pytest.mark.parametrize("fair", [False, True])
def test_however_much_is_served_on_the_way_what_rides_is_the_most_urgent(
    both: New, clock: FakeClock, fair: bool
) -> None:
    store = both(fair=fair, fresh_shared=True)

    def submit_leader() -> None:
        submit(store, [100], Priority.HIGH, owner="a")

    if not fair:
        submit_leader()
    for one in range(12):
        submit(store, [one], Priority.HIGH, owner=f"h{one:02}")
    for call in claimed(store, 5):
        store.end_together([(one, Outcome.retry(GONE, 5.0)) for one in reversed(call.all)])
    clock.advance(1)
    know(store, *range(11))
    clock.advance(5)
    if fair:
        submit_leader()
    submit(store, [200, 201])
    assert ids_of(call_of(store)) == [[100], [11]]
    assert store.served.batches == 11


def test_what_does_not_fit_hides_nothing_behind_what_leaves_the_line(both: New) -> None:
    store = both()
    submit(store, [1])
    call_of(store)
    submit(store, [100])
    for first in range(10, 37, 3):
        submit(store, range(first, first + 3))
    submit(store, [1])  # the tenth to be looked at, and the first call's to answer
    submit(store, [200])
    assert ids_of(call_of(store)) == [[100], [200]]


def test_a_rider_that_ends_first_leaves_what_its_leader_still_asks(both: New) -> None:
    store = both()
    submit(store, [1, 2])
    submit(store, [2])
    call = call_of(store)
    assert ids_of(call) == [[1, 2], [2]]
    assert store.end(call.riders[0], Outcome.retry(GONE, 60.0)) is not None
    submit(store, [2])
    blocked(store)  # by the retry and by the leader's call
    end(store, call._replace(riders=()))
    blocked(store)
    assert store.served.batches == 1
