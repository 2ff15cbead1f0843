"""Ranks, attempts, and what a command refuses."""

from __future__ import annotations

import pytest

from app.core import Priority, Status, check_cancel, check_redrive, count_statuses, is_last, rank_of
from app.errors import Conflict

NOW = 1000.0


def test_the_rank_is_the_weight_or_with_aging_the_time_moved_by_it() -> None:
    assert rank_of(0.0, Priority.LOW, NOW) == 3.0
    assert rank_of(60.0, Priority.LOW, NOW) == NOW + 180


def test_the_last_attempt_is_the_one_of_that_number() -> None:
    assert [is_last(attempt, 3) for attempt in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_cancel_changes_what_has_not_ended_and_is_refused_for_what_has() -> None:
    assert check_cancel(Status.TRIGGERED, cancelled=False) is True
    assert check_cancel(Status.CANCELLED, cancelled=True) is False
    with pytest.raises(Conflict, match="is failed"):
        check_cancel(Status.FAILED, cancelled=False)


def test_a_redrive_is_refused_where_nothing_failed_or_all_was_cancelled() -> None:
    check_redrive(1, cancelled=False)
    with pytest.raises(Conflict, match="No batch"):
        check_redrive(0, cancelled=False)
    with pytest.raises(Conflict, match="was cancelled"):
        check_redrive(1, cancelled=True)


def test_a_cancel_counts_for_what_has_not_started_and_for_what_waits_for_its_retry() -> None:
    assert count_statuses(1, 2, 4, 8, 16, cancelled=False) == (1, 6, 8, 16, 0)
    assert count_statuses(1, 2, 4, 8, 16, cancelled=True) == (0, 2, 8, 16, 5)
