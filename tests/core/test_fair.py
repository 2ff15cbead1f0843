"""Callers' turns, and the sum that says what goes before a batch, beside playing them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core import UNIT, CallerTurns, Place, Priority, Retry, Rota, Shares, TokenBucket, caller_of
from app.core.fair import Start

WEIGHTS = {"b": 2, "c": 5, "d": 16}
CALLERS = st.sampled_from(["", "a", "b", "c", "d"])
STEPS = st.lists(st.tuples(st.sampled_from(["take", "take", "ride", "give back", "copy"]), CALLERS), max_size=30)


def after(steps: Any) -> Shares:
    """Shares in which whoever was named took a turn, rode, or got a turn back."""
    shares = Shares(WEIGHTS)
    for step, caller in steps:
        if step == "take":
            shares.take(caller)
        elif step == "ride":
            shares.ride(caller)
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
@example([("take", "a"), ("give back", "a")], {"a": 2, "b": 2})
@example([("take", ""), ("take", "a"), ("give back", "a")], {"": 2, "a": 2})
@given(STEPS, st.dictionaries(CALLERS, st.integers(1, 9), min_size=1))
def test_what_goes_before_is_a_sum(steps: Any, waiting: dict[str, int]) -> None:
    shares = after(steps)
    order = played(shares, waiting)
    for caller, count in waiting.items():
        mine = [number for number, one in enumerate(order) if one == caller]
        assert [shares.ahead(waiting, caller, nth) + nth for nth in range(count)] == mine
        ends = shares.before(waiting, caller, 0, count - 1)
        assert [sum(before) for before in ends] == [mine[0], mine[-1] - count + 1]


@given(STEPS, st.dictionaries(CALLERS, st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_so_is_what_goes_until_some_of_each_caller_have_gone(steps: Any, told: dict[str, tuple[int, int]]) -> None:
    shares, waiting = after(steps), {caller: count for caller, (count, _) in told.items()}
    wanted = {caller: min(some, count) for caller, (count, some) in told.items()}
    order, nth = played(shares, waiting), 0
    while any(order[:nth].count(caller) < some for caller, some in wanted.items()):
        nth += 1
    assert shares.until(waiting, wanted) == nth


class Waits(NamedTuple):
    """A batch of the ingestion at `place`, which is due at a time."""

    priority: Priority
    caller: str
    place: Place
    due: float


def started(waiting: list[Waits], shares: Shares, limiter: TokenBucket) -> list[tuple[Waits, float]]:
    """The batches in the order of their starts, each with its time, taken one by one; turns count among MEDIUM ones."""
    left, shares, now, order = sorted(waiting), shares.copy(), 0.0, []
    while left:
        now = limiter.when(0, max(now, min(one.due for one in left)))
        due = [one for one in left if one.due <= now]
        most_urgent = min(one.priority for one in due)
        due = [one for one in due if one.priority == most_urgent]
        if most_urgent == Priority.MEDIUM:
            caller = min((one.caller for one in due), key=shares.turn)
            shares.take(caller)
            due = [one for one in due if one.caller == caller]
        left.remove(due[0])
        assert limiter.take(now)
        order.append((due[0], now))
    return order


# Halves are exact, so that a token and a retry may coincide.
DUES = st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.5, 3.0, 7.5, 9.0, 20.0, 77.5])
PRIORITIES = st.sampled_from([Priority.MEDIUM, Priority.MEDIUM, Priority.MEDIUM, Priority.HIGH, Priority.LOW])


# At the moment of the ingestion's last start there falls due what is more urgent, or its caller's older ingestion.
@example([], [(Priority.HIGH, "a", [3.0]), (Priority.MEDIUM, "a", [0.0] * 4)], 1.0, 1)
@example([], [(Priority.MEDIUM, "a", [3.0]), (Priority.MEDIUM, "a", [0.0] * 5)], 1.0, 1)
@settings(max_examples=200)
@given(
    STEPS,
    st.lists(st.tuples(PRIORITIES, CALLERS, st.lists(DUES, min_size=1, max_size=5)), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.integers(1, 3),
)
def test_with_retries_the_starts_are_those_of_playing_them_one_by_one(
    steps: Any, ingestions: Any, interval: float, burst: int
) -> None:
    shares = after(steps)
    waiting = [
        Waits(priority, caller, (float(priority), order), due)
        for order, (priority, caller, dues) in enumerate(ingestions)
        for due in dues
    ]
    order = started(waiting, shares, TokenBucket(interval, burst))
    retries = [Retry(one.due, one.place, one.priority, one.caller) for one in waiting if one.due]
    retries.sort(key=lambda one: one.due)
    medium = [one for one in waiting if one.priority == Priority.MEDIUM]
    of_each = {one.caller: [other.caller for other in medium].count(one.caller) for one in medium}
    urgent = sum(one.priority == Priority.HIGH for one in waiting)
    for mine in {one.place: one for one in medium}.values():
        before = sum(one.caller == mine.caller and one.place < mine.place for one in medium)
        turns = CallerTurns(mine.place, mine.priority, mine.caller, shares, of_each, urgent, before, lambda _: retries)
        own = [Start(nth, at) for nth, (one, at) in enumerate(order) if one.place == mine.place]
        told = turns.played(TokenBucket(interval, burst), 0.0, len(waiting), len(own), retries)
        assert told == (own[0], own[-1])


def test_what_starts_after_the_last_retry_is_a_sum_however_far_back_it_is() -> None:
    many, other = 10**9, Retry(2.5, (2.0, 1), Priority.MEDIUM, "a")
    turns = CallerTurns((2.0, 2), Priority.MEDIUM, "a", Shares({}), {"a": many + 2}, 0, many + 1, lambda _: [other])
    told = turns.played(TokenBucket(1.0, 1), 0.0, many + 2, 1, [other])
    assert told == (Start(many + 1, many + 1.0),) * 2


def test_what_starts_after_the_last_retry_is_a_sum_however_much_it_is() -> None:
    many, other = 10**9, Retry(2.5, (2.0, 2), Priority.MEDIUM, "b")
    turns = CallerTurns((2.0, 1), Priority.MEDIUM, "a", Shares({}), {"a": many, "b": 1}, 0, 0, lambda _: [other])
    told = turns.played(TokenBucket(1.0, 1), 0.0, many + 1, many, [other])
    assert told == (Start(0, 0.0), Start(many, float(many)))


@pytest.mark.parametrize(("turns", "is_played"), [(2000, True), (2001, False)])
def test_two_thousand_turns_are_played_and_no_more(turns: int, is_played: bool) -> None:
    # What is more urgent takes no turn. Of its own batches one waits for its retry, or one of another caller does.
    mine = Retry(5000.5, (2.0, 2), Priority.MEDIUM, "a")
    others = [Retry(due, (2.0, 1), Priority.MEDIUM, "b") for due in (20.5, 5000.5)]
    for own, retries in ((1, [mine]), (turns - 2, others)):
        waiting = {"a": own, "b": turns - own}
        made = CallerTurns((2.0, 2), Priority.MEDIUM, "a", Shares({}), waiting, 10, 0, lambda _: [])
        told = made.played(TokenBucket(1.0, 1), 0.0, turns + 10, own, retries)
        assert (told is not None) == is_played


@given(
    STEPS, st.lists(st.tuples(st.sampled_from(["due", "start", "start", "ride", "give back"]), CALLERS), max_size=60)
)
def test_a_rota_knows_whose_turn_it_is(steps: Any, events: Any) -> None:
    shares, due = after(steps), dict[str, int]()
    in_turn, to_ride = rotas = Rota(shares), Rota(shares, to_ride=True)
    for event, caller in events:
        rides = event == "ride"
        if event == "due":
            due[caller] = due.get(caller, 0) + 1
        elif event == "give back":
            shares.give_back(caller)
        elif due:
            caller = min(due, key=shares.turn_to_ride if rides else shares.turn)
            assert rotas[rides].first() == caller
            (shares.ride if rides else shares.take)(caller)
            due[caller] -= 1
        if due.get(caller) == 0:
            del due[caller]
            for rota in rotas:
                rota.drop(caller)
        elif caller in due:
            # After its turn too, by which its rides no longer count.
            for rota in rotas:
                rota.add(caller)
        assert in_turn.first() == min(due, key=shares.turn, default=None)
        assert to_ride.first() == min(due, key=shares.turn_to_ride, default=None)


def test_a_ride_is_no_turn_and_counts_until_the_next() -> None:
    shares = Shares({"b": 2})
    assert (shares.turn_to_ride("a"), shares.turn_to_ride("b")) == ((0, "a"), (0, "b"))
    for caller, told in (("a", UNIT), ("b", UNIT // 2), ("b", UNIT)):
        shares.ride(caller)
        assert shares.turn_to_ride(caller)[0] == told
    assert (shares.turn("a"), shares.turn("b")) == ((0, "a"), (0, "b"))
    assert shares.ahead({"a": 9, "b": 9}, "b", 2) == 2
    shares.take("a")
    assert shares.turn_to_ride("a") == shares.turn("a") == (UNIT, "a")
    shares.take("a")
    # The virtual time has passed the tag of who had nothing due meanwhile.
    assert shares.turn_to_ride("b") == shares.turn("b") == (UNIT, "b")
    shares.ride("b")
    assert (shares.turn_to_ride("b"), shares.turn("b")) == ((UNIT + UNIT // 2, "b"), (UNIT, "b"))


def test_a_weight_divides_what_a_turn_costs() -> None:
    shares = Shares(WEIGHTS)
    for caller in ("a", "b", "c", "d"):
        shares.take(caller)
        assert shares.kept(caller) == (UNIT // WEIGHTS.get(caller, 1), 0)
    assert all(UNIT % weight == 0 for weight in range(1, 17))
    assert all(abs(UNIT // weight * weight / UNIT - 1) < 0.0002 for weight in range(1, 101))


@given(STEPS)
def test_what_is_told_of_them_makes_the_same_turns(steps: Any) -> None:
    shares = after(steps)
    again = Shares(WEIGHTS, shares.now)
    callers = {caller for step, caller in steps if step != "copy"}
    for caller in callers:
        again.put(caller, *shares.kept(caller))
    together = Shares(WEIGHTS, shares.now)
    together.put_all((caller, *shares.kept(caller)) for caller in callers)
    for one in (again, together):
        assert played(one, dict.fromkeys("abcd", 3)) == played(shares, dict.fromkeys("abcd", 3))
        assert list(map(one.turn_to_ride, "abcd")) == list(map(shares.turn_to_ride, "abcd"))


def test_no_caller_whose_turn_is_to_come_is_forgotten() -> None:
    shares = Shares({})
    for number in range(200):
        shares.take(f"caller {number}")
    assert {shares.turn(f"caller {number}")[0] for number in range(200)} == {UNIT}


def test_callers_whose_tags_say_nothing_are_forgotten() -> None:
    shares = Shares({})
    for number in range(1000):
        shares.take(f"caller {number}")
        shares.take("one")
    # A thousand turns of one later, the others' are long past.
    assert len(shares._known) < 200
    assert shares.turn("caller 999") > shares.turn("caller 0")


def test_a_caller_that_is_owed_a_turn_is_not_forgotten() -> None:
    shares = Shares({})
    shares.take("one")
    shares.give_back("one")
    for number in range(1000):
        shares.take(f"caller {number % 10}")
        shares.take(f"other {number}")
    assert shares.kept("one")[1] == 1


def test_rides_are_forgotten_once_the_virtual_time_has_passed_their_callers_tag() -> None:
    shares = Shares({})
    for number in range(200):
        shares.ride(f"caller {number}")
    assert {shares.turn_to_ride(f"caller {number}")[0] for number in range(200)} == {UNIT}
    for _ in range(2):
        shares.take("one")
    for number in range(1000):
        shares.take(f"other {number}")
        shares.take("one")
    assert len(shares._known) < 200


def test_a_turn_that_is_given_back_comes_at_once_whatever_rode_meanwhile() -> None:
    shares = Shares({})
    shares.take("a")
    for _ in range(3):
        shares.ride("a")
    shares.give_back("a")
    assert shares.turn("a") == shares.turn_to_ride("a") == (0, "a")
    shares.ride("a")
    assert shares.kept("a") == (UNIT, 1)


def test_whoever_is_owed_a_turn_rides_when_it_has_it() -> None:
    shares = Shares({})
    shares.take("z")
    shares.give_back("z")
    for _ in range(2):
        shares.take("a")
    # The virtual time is at its tag, and so is whoever is new.
    assert shares.turn_to_ride("z") == shares.turn("z") == (UNIT, "z")


def test_what_is_nobodys_is_one_callers() -> None:
    assert caller_of(None) == ""
    assert caller_of("web") == "web"


def test_rides_change_nobodys_turn() -> None:
    shares = Shares({})
    shares.take("a")
    shares.ride("a")
    waiting = {"a": 3, "b": 3}
    assert (shares.ahead(waiting, "a", 0), shares.ahead(waiting, "b", 2)) == (1, 2)


def test_a_turn_that_is_owed_is_not_forgotten_however_many_callers_come() -> None:
    shares = Shares({})
    shares.give_back("y")
    for number in range(200):
        shares.take(f"caller {number}")
    assert shares.ahead({"y": 2, "z": 1}, "z", 0) == 2
