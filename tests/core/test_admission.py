"""What is refused at the door, to the last batch and the last second that is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import Prospect, Timeline, admit, check_quota, limiter_of, until_started
from app.errors import BacklogFull, InvalidRequest, QuotaFull, TooLate
from app.limits import parse_limits
from tests.support.queueing import settings
from tests.support.timeline import FIRST, NOW, but, timeline


def ask(made: Timeline, count: int, deadline: float | None = None, ahead: int | None = None, **chosen: Any) -> None:
    ahead = made.starts.waiting if ahead is None else ahead
    admit(settings(**chosen), made, Prospect(FIRST, ahead, count, 0, ()), deadline)


def test_a_queue_takes_exactly_as_many_batches_as_it_may_hold() -> None:
    waiting = timeline(interval=5.0, waiting=3)
    ask(waiting, 2, max_pending=5)
    with pytest.raises(BacklogFull) as refused:
        ask(waiting, 3, max_pending=5)
    assert refused.value.retry_after == 0.0
    assert str(refused.value) == (
        "3 batches are waiting, which takes 10.0 s, and at most 5 may; 3 more will fit in 0.0 s."
    )
    with pytest.raises(BacklogFull) as refused:
        ask(waiting, 5, max_pending=5)
    assert refused.value.retry_after == 10.0
    with pytest.raises(InvalidRequest, match="6 batches, but the queue never holds more than 5"):
        ask(waiting, 6, max_pending=5)
    ask(waiting, 6, max_pending=0)


def test_a_backlog_may_be_exactly_as_long_as_it_may_be() -> None:
    waiting = timeline(interval=5.0, waiting=3)
    ask(waiting, 2, max_backlog_seconds=20)
    with pytest.raises(BacklogFull, match=r"would be 20\.0 s long and at most 19\.5 s .* fit in 0\.5 s") as refused:
        ask(waiting, 2, max_backlog_seconds=19.5)
    assert refused.value.retry_after == 0.5
    with pytest.raises(BacklogFull, match=r"would be 20\.1 s long and at most 20 s .* fit in 0\.1 s"):
        ask(timeline(interval=5.001, waiting=3), 2, max_backlog_seconds=20)
    with pytest.raises(BacklogFull):
        ask(waiting, 5, max_backlog_seconds=20)
    with pytest.raises(InvalidRequest, match=r"takes at least 25\.0 s to drain, but the backlog may be 20 s long"):
        ask(waiting, 6, max_backlog_seconds=20)


def test_what_takes_days_by_a_quota_never_fits_in_an_hour() -> None:
    limits = "10/day at 00:00 UTC"
    daily = but(timeline(), limiter=limiter_of(0.0, 1, parse_limits(limits)))
    with pytest.raises(BacklogFull):
        ask(daily, 20, max_backlog_seconds=3600, limits=limits)
    with pytest.raises(InvalidRequest, match=r"ids alone takes at least 79200\.0 s to drain"):
        ask(daily, 21, max_backlog_seconds=3600, limits=limits)


def test_a_wait_for_a_retry_keeps_nobody_out() -> None:
    later = timeline((NOW + 600, FIRST), interval=5.0, waiting=2)
    ask(later, 1, max_backlog_seconds=10)
    with pytest.raises(BacklogFull) as refused:
        ask(later, 2, max_backlog_seconds=10)
    # Once what is ready has started, the next token is there just when it fits.
    assert refused.value.retry_after == 5.0
    with pytest.raises(BacklogFull) as refused:
        ask(later, 3, max_backlog_seconds=10)
    # With the retry it would always take 15 s; once that has started, the next token has to come.
    assert refused.value.retry_after == 595.0 + 10.0
    held = timeline((NOW + 1000, FIRST), interval=5.0, waiting=1, hold=600.0)
    with pytest.raises(BacklogFull) as refused:
        ask(held, 2, max_backlog_seconds=10)
    assert refused.value.retry_after == 600.0
    busy = timeline((NOW + 600, FIRST), interval=5.0, waiting=4)
    with pytest.raises(BacklogFull) as refused:
        ask(busy, 1, max_backlog_seconds=10)
    assert refused.value.retry_after == 10.0


def test_what_would_fit_at_the_configured_rate_is_not_refused_for_good() -> None:
    slowed = timeline(interval=20.0)
    ask(slowed, 6, max_backlog_seconds=100)
    with pytest.raises(BacklogFull, match=r"at the present rate ids alone takes 120\.0 s") as refused:
        ask(slowed, 7, max_backlog_seconds=100, interval=5)
    assert refused.value.retry_after == 5.0
    with pytest.raises(BacklogFull, match=r"will fit in 20\.0 s"):
        ask(timeline(interval=20.0, waiting=1), 6, max_backlog_seconds=100, interval=5)
    with pytest.raises(InvalidRequest, match=r"takes at least 105\.0 s"):
        ask(slowed, 22, max_backlog_seconds=100, interval=5)
    fast = timeline(interval=5.0, waiting=20)
    with pytest.raises(BacklogFull, match="will fit in"):
        ask(fast, 6, max_backlog_seconds=100, interval=20)


def test_while_the_queue_is_paused_nobody_knows_when_there_is_room() -> None:
    paused = timeline(interval=5.0, waiting=3, paused=True)
    for bound in ({"max_pending": 3}, {"max_backlog_seconds": 10}):
        with pytest.raises(BacklogFull, match="it is not known when") as refused:
            ask(paused, 1, **bound)
        assert refused.value.retry_after == 5.0


def test_a_deadline_is_for_the_end_and_not_for_the_last_start() -> None:
    waiting = timeline(interval=5.0, waiting=3, service=2.0, slots=9)
    ask(waiting, 2, deadline=NOW + 22.0)
    with pytest.raises(TooLate, match=r"would end 0\.5 s after it") as refused:
        ask(waiting, 2, deadline=NOW + 21.5)
    assert refused.value.earliest == NOW + 22.0
    ask(waiting, 2, deadline=NOW + 7.0, ahead=0)


def test_a_quota_takes_exactly_as_many_ids_as_it_has() -> None:
    asked: list[int] = []

    def seconds_until(ids: int) -> float:
        asked.append(ids)
        return 7.0

    check_quota(10, 10, 0, seconds_until)
    check_quota(10, 4, 6, seconds_until)
    with pytest.raises(QuotaFull, match=r"6 of your ids are waiting and at most 10 may; 5 more will fit in 7\.0 s"):
        check_quota(10, 5, 6, seconds_until)
    assert asked == [1]
    with pytest.raises(InvalidRequest, match="11 members"):
        check_quota(10, 11, 0, seconds_until)
    with pytest.raises(QuotaFull, match="it is not known when") as refused:
        check_quota(10, 5, 6, lambda _: None)
    assert refused.value.retry_after == 5.0


@pytest.mark.parametrize("number", [1, 600])
def test_where_nothing_is_due_a_quota_waits_for_as_many_retries_as_it_takes(number: int) -> None:
    dues = [NOW + nth for nth in range(1, 701)]
    made = timeline(*((due, FIRST) for due in dues), waiting=len(dues))
    one = Prospect(FIRST, 0, len(dues), len(dues), ())

    def later(most: int) -> list[tuple[float, str, int]]:
        return [(due, "the only one", 1) for due in dues[:most]]

    assert until_started(number, (), later, lambda _: one, made) == number
