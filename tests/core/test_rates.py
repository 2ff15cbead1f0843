"""A request for other rates is checked, and every fault of it is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core import Gate, Rates, TokenBucket, check_rates
from app.core.rates import carried, interval_bounds, most_burst
from app.errors import InvalidRequest
from tests.support.queueing import settings


def faults(body: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        check_rates(body, settings(interval=5))
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def test_it_is_an_object_of_known_members() -> None:
    assert faults({}) == {"#": "Say what to change: give at least one of interval, burst, limits."}
    assert faults([]) == {"#": "The body must be an object with interval, burst, limits."}
    assert faults({"a/b": 1}) == {"#/a~1b": '"a/b" is not a member of this request; those are interval, burst, limits.'}


@pytest.mark.parametrize("value", [True, "5", 0, -1, 0.01, 1e6, []])
def test_an_interval_is_a_number_within_bounds(value: Any) -> None:
    assert list(faults({"interval": value})) == ["#/interval"]


def test_where_no_interval_is_configured_no_setting_bounds_it() -> None:
    with pytest.raises(InvalidRequest, match=r"^interval must be from 0 to 1e\+09 seconds\.$"):
        check_rates({"interval": -1}, settings(interval=0))


def test_the_bounds_may_be_set() -> None:
    least, most = interval_bounds(settings(interval=5))
    assert [check_rates({"interval": one}, settings(interval=5)).interval for one in (least, most)] == [least, most]


def test_so_may_those_of_a_limit() -> None:
    configured = settings(limits="10/s", rate_most=2)
    assert [check_rates({"limits": {"10/s": one}}, configured).limits for one in ("1/s", "20/s")] == [
        {"10/s": "1/s"},
        {"10/s": "20/s"},
    ]


def test_of_a_limit_that_is_none_of_them_sixty_characters_are_shown() -> None:
    assert faults({"limits": {"x" * 61: "5/s"}}) == {
        "#/limits": f"{'x' * 60!r} is none of the configured limits; there are none."
    }
    with pytest.raises(InvalidRequest) as refused:
        check_rates({"limits": {"10/s": "x" * 61}}, settings(limits="10/s"))
    assert [fault.detail for fault in refused.value.faults] == [f"10/s cannot be {'x' * 60!r}: it is no limit."]


def test_no_interval_is_longer_than_thirty_years() -> None:
    assert interval_bounds(settings(interval=9e8, rate_least=0.5))[1] == 1e9
    assert interval_bounds(settings(interval=0)) == (0, 1e9)


def test_a_queue_that_had_no_rate_has_saved_no_token() -> None:
    assert carried(TokenBucket(0.0, 1), TokenBucket(5.0, 2), 100.0) == 110.0
    assert carried(TokenBucket(5.0, 2), TokenBucket(10.0, 2), 100.0) == 100.0


PERIOD = 10.0
LIMITS = st.integers(1, 20).flatmap(lambda most: st.tuples(st.just(most), st.integers(1, most)))
STEPS = st.lists(st.tuples(st.floats(0, 12), st.integers(0, 25), st.none() | LIMITS), min_size=1, max_size=25)


@given(LIMITS, STEPS)
@example((10, 10), [(0.0, 10, (5, 1)), (2.0, 9, None), (2.0, 9, None)])
@example((20, 1), [(0.0, 1, (20, 20)), (5.0, 20, None)])
@example((2, 2), [(0.0, 1, (1, 1)), (1.0, 1, (2, 2)), (1.0, 1, None)])
@example((2, 2), [(0.0, 1, (1, 1)), (0.0, 0, (2, 1)), (5.0, 1, None)])
@example((15, 15), [(0.0, 15, (4, 3)), (0.0, 0, (3, 1)), (0.0, 0, (10, 3)), (8.95, 3, (14, 4)), (2.0, 4, None)])
@example((3, 3), [(0.0, 3, (2, 2)), (5.0, 0, (3, 2)), (3.5, 1, None)])
def test_no_period_holds_more_than_the_highest_limit_in_force_in_it(
    configured: tuple[int, int], steps: list[tuple[float, int, tuple[int, int] | None]]
) -> None:
    name = "{}/10s burst {}".format(*configured)
    rules = settings(limits=name, rate_least=0.001, rate_most=100)
    (usual,) = rules.limits
    now, most, gate = 1e9, usual.most, Gate.of(rules, 1e9)
    starts: list[tuple[float, int]] = []
    changes: list[tuple[float, int]] = []
    for gap, tries, changed in steps:
        now += gap
        starts += [(now, most) for _ in range(tries) if gate.limiter.take(now)]
        if changed:
            most, text = changed[0], "{}/10s burst {}".format(*changed)
            changes.append((now, most))
            gate.change_rates(rules, check_rates({"limits": {usual.name: text}}, rules), now)
            starts += [(now, most) for _ in range(tries) if gate.limiter.take(now)]
    for nth, (first, _) in enumerate(starts):
        within = [start for start in starts[nth:] if start[0] < first + PERIOD]
        in_force = within + [change for change in changes if first <= change[0] <= within[-1][0]]
        assert len(within) <= max(most for _, most in in_force)


@given(st.integers(1, 5), st.integers(1, 5), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0, 20), st.integers(0, 5))
def test_a_bucket_of_another_rate_has_no_more_tokens(
    before: int, after: int, slow: float, fast: float, at: float, taken: int
) -> None:
    old = TokenBucket(slow, before)
    for _ in range(taken):
        old.take(0.0)
    new = TokenBucket(fast, after, carried(old, TokenBucket(fast, after), at))
    assert new.tokens(at) <= old.tokens(at)
    assert new.when(0, at) <= at + fast * (1 + 1e-9)


def test_what_was_set_under_another_configuration_holds_as_far_as_it_may() -> None:
    set_then = Rates(1.0, 4, {"10/s": "8/s", "5/min": "2/min"})
    now = set_then.apply(settings(interval=3, burst=1, limits="10/s, 6/min"))
    assert (now.interval, now.burst, [limit.most for limit in now.limits]) == (3.0, 1, [8, 6])
    now = set_then.apply(settings(interval=0.5, burst=2, limits="10/s", rate_least=0.9))
    assert (now.interval, now.burst, [limit.most for limit in now.limits]) == (0.5 / 0.9, 2, [10])


def test_true_is_no_number() -> None:
    with pytest.raises(InvalidRequest, match="interval"):
        check_rates({"interval": True}, settings(interval=1))


@pytest.mark.parametrize("value", [True, 1.5, float("inf"), "1", 0, 10**6, []])
def test_a_burst_is_a_whole_number_within_bounds(value: Any) -> None:
    assert list(faults({"burst": value})) == ["#/burst"]


def test_a_burst_may_be_written_with_a_fraction_of_nothing() -> None:
    burst = check_rates({"burst": 2.0}, settings(interval=5, burst=2)).burst
    assert (burst, type(burst)) == (2, int)


def test_a_burst_of_one_may_be_raised_no_further_than_the_rate() -> None:
    assert [most_burst(settings(burst=1, rate_most=most)) for most in (1, 2.5)] == [1, 2]


def test_what_is_asked_for_is_returned() -> None:
    assert check_rates({"interval": 6, "burst": None}, settings(interval=5)) == Rates(6.0, None, {})
    assert check_rates({"burst": 2}, settings(interval=5, burst=2)) == Rates(None, 2, {})
