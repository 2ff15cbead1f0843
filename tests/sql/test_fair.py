"""Turns are kept in the database: over restarts, between processes, and when they begin and end."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import select

from app.core import Pauses, Priority
from app.sql.admission import add
from app.sql.ids import pack
from app.sql.lanes import callers
from app.sql.store import SQLStore
from app.sql.turns import Turn
from app.store import Store, Submission
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, estimate_of, finish, release, retry, submit
from tests.support.simulation import BOOM

Open = Callable[..., Store]
OWED = select(callers.c.name, callers.c.owed).order_by(callers.c.name)


def whose(store: Store, starts: int) -> list[str | None]:
    """The owners of the next starts, each of which ends at once."""
    found = []
    for _ in range(starts):
        (claim,) = claimed(store)
        found.append(store.get(claim.batch.ingestion_id).owner)
        finish(store, claim)
    return found


def test_turns_go_on_after_a_restart_and_in_another_process(open_sql: Open) -> None:
    store = open_sql(interval=0, fair=True)
    for owner in ("a", "b", "c"):
        submit(store, range(1, 31), owner=owner)
    assert whose(store, 4) == ["a", "b", "c", "a"]
    (claim,) = claimed(store)
    release(store, claim)
    other = open_sql(interval=0, fair=True)
    assert whose(other, 4) == ["b", "c", "a", "b"]


def test_what_is_submitted_in_one_turn_counts_for_each_other(open_sql: Open) -> None:
    # Each by its caller's turns alone, which are counted where strict order needs no count.
    store = cast(SQLStore, open_sql(interval=2, fair=True))

    def both(turn: Turn) -> list[str]:
        found = []
        for owner in ("a", "b"):
            ids = array("q", range(30))
            submission = Submission(ids, Priority.MEDIUM, owner=owner)
            found.append(add(turn, submission, pack(ids), None)[0].id)
        return found

    _, second = store._turns.take(both)
    assert store.attempts(second)[1] == START + 19 * 2


def test_what_waits_when_it_is_set_takes_turns_from_then_on(open_sql: Open) -> None:
    strict = open_sql(interval=0)
    done = submit(strict, [1], owner="c")
    bury(strict, claimed(strict)[0], BOOM)
    first = submit(strict, range(1, 31), owner="a")
    (claim,) = claimed(strict)
    second = submit(strict, range(1, 31), owner="b")
    submit(strict, range(1, 4), Priority.HIGH)
    fair = open_sql(interval=0, fair=True)
    # A batch that was in process meanwhile gets in line with its caller's.
    release(fair, claim)
    estimate = estimate_of(fair, second.id)
    assert estimate is not None
    assert estimate.batches_ahead == 2 + 1
    assert [(one.name, one.priority, one.waiting) for one in fair.callers(9)] == [
        (None, Priority.HIGH, 1), ("a", Priority.MEDIUM, 10), ("b", Priority.MEDIUM, 10)
    ]  # fmt: skip
    # What had ended by then has no turns until it is started over.
    fair.redrive(done.id)
    assert whose(fair, 7) == [None, "a", "a", "b", "c", "a", "b"]
    assert fair.get(first.id).counts.completed == 3


def test_who_comes_later_begins_where_they_did_who_waited(open_sql: Open) -> None:
    submit(open_sql(interval=0), [1], owner="b")
    fair = open_sql(interval=0, fair=True)
    submit(fair, [1], owner="a")
    assert whose(fair, 2) == ["a", "b"]


def test_when_it_is_unset_creation_order_holds_again(open_sql: Open) -> None:
    fair = open_sql(interval=0, fair=True)
    submit(fair, range(1, 10), owner="a")
    submit(fair, range(1, 10), owner="b")
    assert whose(fair, 2) == ["a", "b"]
    strict = open_sql(interval=0)
    assert whose(strict, 4) == ["a", "a", "b", "b"]
    assert strict.callers(9) == []
    # Afterwards turns begin anew.
    submit(strict, range(1, 10), owner="a")
    submit(strict, range(1, 10), owner="b")
    assert whose(open_sql(interval=0, fair=True), 3) == ["a", "b", "a"]


def test_callers_without_anything_are_forgotten_but_not_what_they_have_had(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(interval=0, fair=True, retention=60)
    submit(store, range(1, 31), owner="a")
    submit(store, [1], owner="b")
    assert whose(store, 2) == ["a", "b"]
    clock.advance(61)
    assert sum(store.prune()) == 1
    submit(store, range(1, 31), owner="b")
    assert whose(store, 4) == ["a", "b", "a", "b"]
    with_many = 600
    for number in range(with_many):
        submit(store, [1], owner=f"caller {number}")
    assert len(store.callers(1000)) == with_many + 2
    estimate = estimate_of(store, submit(store, [1], owner="a").id)
    assert estimate is not None
    # Seven of its own, as many turns of the other, and one of each of the many.
    assert estimate.batches_ahead == 7 + 7 + with_many


def test_rides_are_kept_until_the_virtual_time_has_passed_their_callers_tag(open_sql: Open, clock: FakeClock) -> None:
    store: Any = open_sql(interval=0, fair=True, fill=True, retention=60)
    for owner in ("a", "b"):
        submit(store, [1], owner=owner)
    (claim,) = claimed(store)
    for one in claim.all:
        finish(store, one)
    told = []
    for _ in range(3):
        clock.advance(61)
        sum(store.prune())
        told.append(store._database.read(lambda wire: wire.execute(OWED, {}).all()))
        submit(store, [1, 2, 3], owner="a")
        finish(store, claimed(store)[0])
    assert [list(map(tuple, one)) for one in told] == [[("a", 0), ("b", -1)], [("a", 0)], [("a", 0)]]


def test_one_claim_of_several_takes_the_turns_of_several(open_sql: Open) -> None:
    store = open_sql(interval=0, fair=True, fair_weights="b:2")
    for owner in ("a", "b", "c"):
        submit(store, range(1, 13), owner=owner)
    owners = [store.get(claim.batch.ingestion_id).owner for claim in claimed(store, 7)]
    assert owners == ["a", "b", "c", "b", "a", "b", "c"]
    assert [one.owner for one in store.dispatches(9)] == owners


def test_what_is_paused_when_it_is_set_takes_turns_once_it_is_back(open_sql: Open) -> None:
    strict, anna = open_sql(interval=0), Pauses(owners=frozenset({"a"}))
    submit(strict, range(1, 10), owner="a")
    retry(strict, claimed(strict)[0], BOOM, 0.0)
    strict.pause(what=anna)
    submit(strict, range(1, 10), owner="b")
    fair = open_sql(interval=0, fair=True)
    assert [(one.name, one.waiting, one.parked) for one in fair.callers(9)] == [("b", 3, 0), ("a", 3, 3)]
    assert whose(fair, 1) == ["b"]
    fair.resume(what=anna)
    assert [(one.name, one.waiting) for one in fair.callers(9)] == [("a", 3), ("b", 2)]
    assert whose(fair, 5) == ["a", "a", "b", "a", "b"]


def test_a_caller_that_is_known_by_one_that_was_moved_is_another_at_its_new_priority(open_sql: Open) -> None:
    store = open_sql(interval=0, fair=True)
    moved = submit(store, range(1, 10), owner="a")
    submit(store, range(1, 10), owner="a")
    for priority in (Priority.LOW, Priority.HIGH, Priority.MEDIUM, Priority.LOW):
        store.move(moved.id, priority)
        counts = {(one.name, one.priority): one.waiting for one in store.callers(9)}
        assert counts == (
            {("a", Priority.MEDIUM): 6}
            if priority == Priority.MEDIUM
            else {("a", Priority.MEDIUM): 3, ("a", priority): 3}
        )
    assert whose(store, 6) == ["a"] * 6
    assert store.get(moved.id).finished_at is not None


def test_a_retry_that_waits_when_it_is_set_counts_for_its_caller(open_sql: Open) -> None:
    strict = open_sql(interval=0)
    for owner in ("ann", "ann", "bob"):
        submit(strict, [1], owner=owner)
    for claim in claimed(strict, 3):
        retry(strict, claim, BOOM, 0.0)
    assert whose(open_sql(interval=0, fair=True), 3) == ["ann", "bob", "ann"]
