"""What may start and why not, and what of it is kept."""

from __future__ import annotations

from app.core import Concurrency, Gate, Pauses, Priority, Rates, TokenBucket, Wait, concurrency_of, pauses_of
from app.memory.backlog import Backlog, Lane
from tests.support.queueing import settings

NOW = 1000.0


def gate() -> Gate:
    return Gate(TokenBucket(5.0, 1))


def wait(one: Gate, now: float, *, due: float | None, slots: int) -> Wait | None:
    return one.wait(now, due=due, slots=slots, room=1, waiting=Backlog(Lane))


def test_nothing_starts_for_the_first_reason_there_is() -> None:
    one = gate()
    assert wait(one, NOW, due=NOW, slots=1) is None
    assert one.limiter.take(NOW)
    assert wait(one, NOW, due=NOW, slots=1) == Wait(5.0, "token")
    assert wait(one, NOW, due=NOW, slots=0) == Wait(None, "slots")
    assert wait(one, NOW, due=NOW + 2, slots=0) == Wait(2.0, "retry")
    assert wait(one, NOW, due=None, slots=0) == Wait(None, "empty")
    one.hold(NOW + 7)
    one.hold(NOW + 3)
    assert wait(one, NOW, due=None, slots=0) == Wait(7.0, "hold", NOW + 7)
    one.pause()
    assert wait(one, NOW, due=None, slots=0) == Wait(None, "paused")
    one.resume(NOW)
    assert wait(one, NOW + 7, due=NOW, slots=1) is None


def test_a_start_is_limited_by_what_came_last() -> None:
    one = gate()
    told = [one.limited_by(fresh=fresh, due=NOW, token_at=NOW - 1, was_full=False) for fresh in (True, False)]
    assert told == ["arrival", "retry"]
    assert one.limited_by(fresh=True, due=NOW, token_at=NOW + 1, was_full=False) == "token"
    one.resume(NOW + 9)
    assert one.limited_by(fresh=True, due=NOW, token_at=NOW - 1, was_full=False) == "arrival"
    one.hold(NOW + 2)
    assert one.limited_by(fresh=True, due=NOW, token_at=NOW + 1, was_full=False) == "hold"
    one.pause()
    one.resume(NOW + 3)
    assert one.limited_by(fresh=True, due=NOW, token_at=NOW + 1, was_full=False) == "paused"
    assert one.limited_by(fresh=True, due=NOW, token_at=NOW + 1, was_full=True) == "slots"


def test_what_is_kept_makes_the_same_gate_again() -> None:
    chosen = settings(interval=5, limits="9/min", concurrency_most=9)
    one = Gate.of(chosen, NOW)
    one.pause(Pauses(frozenset({Priority.LOW}), frozenset({"nightly"})))
    one.change_rates(chosen, Rates(interval=10.0), NOW)
    assert one.slow_down(chosen, NOW, NOW) == 20
    one.order_since = NOW
    one.concurrency = Concurrency(3, {"here": 2})
    again = Gate.of(chosen, NOW, *one.kept())
    assert again.kept() == one.kept()
    assert again.concurrency == concurrency_of(again.kept()[1]) == one.concurrency
    assert pauses_of(again.kept()[1]) == one.pauses
    assert (again.pauses, again.pace, again.rates, again.order_since) == (one.pauses, one.pace, one.rates, NOW)


def test_what_it_does_not_know_is_kept_for_those_who_do() -> None:
    others = {"7/min": NOW + 5}
    assert Gate.of(settings(interval=5), NOW, NOW + 3, others).kept() == (NOW + 3, others)


def test_what_a_newer_process_kept_of_a_rate_beyond_its_own_is_no_fault() -> None:
    kept = {"rates": [7.0, None, {}, 100.0, "more"], "pace": [0.0, 0.0, "more"], "concurrency": [2, {}, "more"]}
    gate = Gate.of(settings(), 200.0, kept=kept)
    assert (gate.rates, gate.concurrency.each) == (Rates(7.0, since=100.0), 2)


def test_a_part_that_is_resumed_leaves_the_whole_paused() -> None:
    one = gate()
    one.pause()
    one.resume(NOW, Pauses(frozenset({Priority.LOW})))
    assert one.paused


def test_a_pause_that_ended_is_not_kept() -> None:
    low = Pauses(frozenset({Priority.LOW}))
    one = Gate.of(settings(), NOW)
    one.pause(low)
    again = Gate.of(settings(), NOW, *one.kept())
    again.resume(NOW, low)
    assert not Gate.of(settings(), NOW, *again.kept()).pauses


def test_a_limit_keeps_the_tokens_it_has_when_it_is_changed() -> None:
    chosen = settings(interval=0, limits="10/min burst 10, 4/min burst 4")
    one = Gate.of(chosen, NOW)
    assert all(one.limiter.take(NOW) for _ in range(3))
    one.change_rates(chosen, Rates(limits={"10/min burst 10": "20/min burst 20"}), NOW)
    assert [level.tokens for level in one.limiter.levels(NOW)] == [7, 1]
    one.change_rates(chosen, Rates(), NOW)
    assert [level.tokens for level in one.limiter.levels(NOW)] == [7, 1]
