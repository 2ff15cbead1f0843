"""Whether a batch that holds the queue again and again lets others go, or goes on asking for all."""

from __future__ import annotations

import pytest

from app.core import Batch, Claim, Priority, Status
from app.worker.holds import Holds
from app.worker.retry import RetryPolicy

INGESTION = "0189d5a8-0000-8000-8000-000000000000"


def batch(position: int) -> Batch:
    return Batch(INGESTION, position, [1], Status.TRIGGERED, Priority.LOW, 1)


def answered(*positions: int) -> Claim:
    leader, *riders = (Claim(batch(position), 0.0, 0.0) for position in positions)
    return leader._replace(riders=tuple(riders))


FIRST, OTHER = 0, 1


@pytest.fixture
def holds() -> Holds:
    return Holds(RetryPolicy(max_attempts=5, backoff=4, backoff_max=100))


def test_while_nobody_gets_an_answer_the_first_goes_on_asking(holds: Holds) -> None:
    waits = [holds.delay(batch(FIRST), 60) for _ in range(16)]
    # It steps aside now and then, because it may be the only one; but not for long.
    assert {nth: wait for nth, wait in enumerate(waits, 1) if wait} == {2: 64, 4: 76, 8: 120, 16: 120}
    assert holds.in_a_row == 16


def test_where_others_get_answers_it_steps_aside_for_longer_each_time(holds: Holds) -> None:
    waits = []
    for _ in range(8):
        waits.append(holds.delay(batch(FIRST), 2))
        holds.ended(answered(OTHER))
    assert waits == [0, 2 + 4, 2 + 8, 2 + 16, 2 + 32, 2 + 64, 2 + 100, 2 + 100]
    assert holds.in_a_row == 0


def test_one_answer_counts_once(holds: Holds) -> None:
    holds.delay(batch(FIRST), 60)
    holds.delay(batch(FIRST), 60)
    holds.ended(answered(OTHER))
    assert [holds.delay(batch(FIRST), 60) for _ in range(2)] == [60 + 8, 60 + 16]
    assert holds.delay(batch(FIRST), 60) == 0


def test_an_answer_of_its_own_ends_its_row(holds: Holds) -> None:
    holds.delay(batch(FIRST), 60)
    holds.ended(answered(OTHER, FIRST))
    assert [holds.delay(batch(FIRST), 60) for _ in range(2)] == [0, 60 + 4]


def test_a_thousand_are_remembered(holds: Holds) -> None:
    for number in range(1001):
        holds.delay(batch(number), 60)
    assert holds.delay(batch(1), 60) == 64
    assert holds.delay(batch(0), 60) == 0
