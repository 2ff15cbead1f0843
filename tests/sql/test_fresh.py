"""FRESH in a database: what other processes answer, and what those without the setting leave behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from app.core import Status, Wait
from app.outcomes import Outcome
from app.sql.contents import answers
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.queueing import ack, blocked, claimed, finish, submit

Open = Callable[..., SQLStore]
FRESH = {"fresh": 60, "interval": 0, "store_poll": 2}


def test_answers_are_shared_and_outlive_the_process(open_sql: Open) -> None:
    with closing(open_sql(**FRESH)) as first:
        submit(first, [1])
        ack(first, claimed(first)[0], ['"a"'])
    second = open_sql(**FRESH)
    ingestion = submit(second, [1])
    assert ingestion.status is Status.COMPLETED
    assert list(second.results(ingestion.id)) == [(1, '"a"')]


def test_what_another_process_asks_is_awaited_and_its_answer_noticed(open_sql: Open) -> None:
    first, second = open_sql(**FRESH), open_sql(**FRESH)
    submit(first, [1])
    (claim,) = claimed(first)
    ingestion = submit(second, [1])
    assert blocked(second) == Wait(2.0, "answer")
    finish(first, claim)
    assert blocked(second).reason == "empty"
    assert second.get(ingestion.id).status is Status.COMPLETED
    assert [one.ingestion.id for one in second.served.take()] == [ingestion.id]
    assert not first.served


def test_the_shared_call_of_a_process_that_died_is_asked_again_by_who_waits_for_it(
    open_sql: Open, clock: FakeClock
) -> None:
    chosen = {**FRESH, "fill": True, "lease": 30}
    with closing(open_sql(**chosen)) as first:
        lost = [submit(first, [1]), submit(first, [2, 1])]
        (claim,) = claimed(first)
        assert [one.batch.ids for one in claim.all] == [[1], [2, 1]]
    second = open_sql(**chosen)
    waits = [submit(second, [1]), submit(second, [2])]
    assert blocked(second) == Wait(2.0, "answer")
    clock.advance(31)
    assert {one.batch.ingestion_id for one, _ in second.recover()} == {one.id for one in lost}
    (claim,) = claimed(second)
    assert [one.batch.ids for one in claim.all] == [[1], [2, 1], [1], [2]]
    assert second.stats().running == 1
    second.end_together([(one, Outcome.ack(['"a"'] * len(one.batch.ids))) for one in claim.all])
    assert {second.get(one.id).status for one in lost + waits} == {Status.COMPLETED}
    assert (second.stats().running, blocked(second).reason) == (0, "empty")


def test_each_queue_has_answers_of_its_own(open_sql: Open) -> None:
    first, second = open_sql(**FRESH), open_sql(name="other", **FRESH)
    submit(first, [1])
    finish(first, claimed(first)[0])
    assert submit(second, [1]).status is Status.YET_TO_START


def test_a_process_without_it_leaves_nobody_waiting(open_sql: Open) -> None:
    with_it, without = open_sql(**FRESH), open_sql(interval=0)
    submit(with_it, [1])
    (claim,) = claimed(with_it)
    waits = submit(with_it, [1])
    assert blocked(with_it).reason == "answer"
    submit(with_it, [2])
    assert len(claimed(with_it)) == 1  # runs on
    assert finish(without, claim) is not None
    assert blocked(with_it).reason == "answer"
    with_it.recover()
    assert claimed(with_it)[0].batch.ingestion_id == waits.id


def test_nobody_awaits_what_a_process_without_it_asks(open_sql: Open) -> None:
    with_it, without = open_sql(**FRESH), open_sql(interval=0)
    submit(without, [1])
    claimed(without)
    submit(with_it, [1])
    assert claimed(with_it)[0].batch.ids == [1]


def test_a_process_without_it_wakes_who_waits_too(open_sql: Open) -> None:
    """As after a restart with the setting gone."""
    with_it, without = open_sql(**FRESH), open_sql(interval=0)
    submit(with_it, [1])
    (claim,) = claimed(with_it)
    waits = submit(with_it, [1])
    blocked(with_it)
    finish(without, claim)
    without.recover()
    assert claimed(without)[0].batch.ingestion_id == waits.id


def test_who_asked_counts_only_while_it_runs(open_sql: Open, clock: FakeClock) -> None:
    with_it, without = open_sql(**FRESH), open_sql(interval=0)
    submit(with_it, [1])
    (claim,) = claimed(with_it)
    finish(without, claim)
    clock.advance(1)
    submit(with_it, [1])
    assert claimed(with_it)[0].batch.ids == [1]


def test_what_was_asked_and_never_noted_as_ended_is_forgotten_like_the_rest(
    open_sql: Open, clock: FakeClock, rows: Callable[[Any], int]
) -> None:
    with_it, without = open_sql(**FRESH, retention=5, fresh_max=1), open_sql(interval=0)
    for at, one in enumerate((1, 2, 3)):
        clock.advance_to(clock.now() + 70 * (at == 1) + 1)
        submit(with_it, [one])
        (claim,) = claimed(with_it)
        finish(without if one == 1 else with_it, claim)
    assert rows(answers) == 3
    sum(with_it.prune())
    assert rows(answers) == 1, "both what is long unused and what is too much"


def test_what_was_accepted_without_it_is_asked(open_sql: Open) -> None:
    with_it, without = open_sql(**FRESH), open_sql(interval=0)
    before = submit(without, [1])
    assert before.served is None
    submit(with_it, [1])
    assert len(claimed(with_it, 9)) == 1, "the other awaits it"
    (claim,) = [one for one in [*with_it.dispatches(9)] if one.ingestion_id == before.id]
    assert claim.attempt == 1


def test_answers_are_forgotten_once_it_is_unset(open_sql: Open, clock: FakeClock, rows: Callable[[Any], int]) -> None:
    with_it = open_sql(**FRESH, retention=5)
    submit(with_it, [1])
    finish(with_it, claimed(with_it)[0])
    without = open_sql(interval=0, retention=5)
    clock.advance(4)
    sum(without.prune())
    assert rows(answers) == 1
    clock.advance(2)
    sum(without.prune())
    assert rows(answers) == 0


def test_very_many_answers_are_forgotten_a_few_in_a_turn(open_sql: Open) -> None:
    store = open_sql(**FRESH, fresh_max=1, batch_size=10_000, retention=1)
    for first in range(1, 10_002, 5001):
        submit(store, range(first, first + 5001))
        finish(store, claimed(store)[0])
    sum(store.prune())
    assert sum(submit(store, [one]).status.final for one in range(1, 10_003, 100)) <= 1


def test_an_answer_serves_what_waited_for_it_though_the_clock_was_set_back(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(fresh=0, interval=0)
    submit(store, [1])
    (claim,) = claimed(store)
    clock.advance(10)
    waits = submit(store, [1])
    clock.advance(-5)
    finish(store, claim)
    blocked(store)
    assert store.get(waits.id).status is Status.COMPLETED
