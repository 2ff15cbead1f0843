"""Turns, and the sum that says what goes before a batch, beside playing them."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from app.core import UNIT, Rota, Shares, caller_of

WEIGHTS = {"b": 2, "c": 5, "d": 16}
CALLERS = st.sampled_from(["", "a", "b", "c", "d"])
STEPS = st.lists(st.tuples(st.sampled_from(["take", "take", "give back", "copy"]), CALLERS), max_size=30)


def after(steps: Any) -> Shares:
    """Shares in which whoever was named took a turn, or got one back."""
    shares = Shares(WEIGHTS)
    for step, caller in steps:
        if step == "take":
            shares.take(caller)
        elif step == "give back":
            shares.give_back(caller)
        else:
            shares = shares.copy()
    return shares


def played(shares: Shares, waiting: dict[str, int]) -> list[str]:
    """The callers in the order of their turns, until nothing waits."""
    shares, left, order = shares.copy(), dict(waiting), []
    while callers := [caller for caller, count in left.items() if count]:
        caller = min(callers, key=shares.turn)
        shares.take(caller)
        left[caller] -= 1
        order.append(caller)
    return order


@example([("give back", "b")], {"a": 1, "b": 1})
@example([("give back", "a"), ("take", "b")], {"a": 3, "b": 3})
@example([("take", ""), ("take", "a"), ("give back", "a")], {"": 2, "a": 2})
@given(STEPS, st.dictionaries(CALLERS, st.integers(1, 9), min_size=1))
def test_what_goes_before_is_a_sum(steps: Any, waiting: dict[str, int]) -> None:
    shares = after(steps)
    order = played(shares, waiting)
    for caller, count in waiting.items():
        mine = [number for number, one in enumerate(order) if one == caller]
        assert [shares.ahead(waiting, caller, nth) + nth for nth in range(count)] == mine


@given(STEPS, st.lists(st.tuples(st.sampled_from(["due", "start", "start", "give back"]), CALLERS), max_size=60))
def test_a_rota_knows_whose_turn_it_is(steps: Any, events: Any) -> None:
    shares, due = after(steps), dict[str, int]()
    rota = Rota(shares)
    for event, caller in events:
        if event == "due":
            due[caller] = due.get(caller, 0) + 1
            rota.add(caller)
        elif event == "give back":
            shares.give_back(caller)
            if caller in due:
                rota.add(caller)
        elif due:
            next_one = min(due, key=shares.turn)
            assert rota.first() == next_one
            shares.take(next_one)
            due[next_one] -= 1
            if not due[next_one]:
                del due[next_one]
                rota.drop(next_one)
        assert rota.first() == min(due, key=shares.turn, default=None)


def test_a_weight_divides_what_a_turn_costs() -> None:
    shares = Shares(WEIGHTS)
    for caller in ("a", "b", "c", "d"):
        shares.take(caller)
        assert shares.told(caller) == (UNIT // WEIGHTS.get(caller, 1), 0)
    assert all(UNIT % weight == 0 for weight in range(1, 17))
    assert all(abs(UNIT // weight * weight / UNIT - 1) < 0.0002 for weight in range(1, 101))


def test_callers_whose_tags_say_nothing_are_forgotten() -> None:
    shares = Shares({})
    for number in range(1000):
        shares.take(f"caller {number}")
        shares.take("one")
    # A thousand turns of one later, the others' are long past.
    assert len(shares._known) < 200
    assert shares.turn("caller 999") > shares.turn("caller 0")


def test_what_is_nobodys_is_one_callers() -> None:
    assert caller_of(None) == ""
    assert caller_of("web") == "web"
