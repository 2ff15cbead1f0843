"""The proof itself is put to the test: it passes what was right and catches what was not."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.cli.verify import Violation, log_of, read, verify
from app.core import Pauses, Wait
from app.core.limiter import TokenBucket
from app.core.models import Batch, BatchError, Priority
from app.core.reports import Dispatch
from app.errors import Conflict
from app.limits import parse_limits
from app.memory.store import MemoryStore
from app.web import dispatch_document
from tests.support import queueing
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, release, retry

BOOM = BatchError("RuntimeError", "boom")


def dispatch(started_at: float, *, due_at: float = 0.0, order: int = 1, position: int = 0, rank: float = 2) -> Dispatch:
    name = f"{order}-{position}"
    return Dispatch(
        START + started_at, START + due_at, name, str(order), position, 1, Priority.MEDIUM, rank, order, "token"
    )


def rules(violations: list[Violation]) -> list[str]:
    return [violation.rule for violation in violations]


@dataclass(frozen=True)
class Limit:
    interval: float
    burst: int
    fill: bool = False


def owned(caller: str) -> Pauses:
    return Pauses(owners=frozenset({caller}))


LOW = Pauses(frozenset({Priority.LOW}))
limits = st.builds(Limit, st.sampled_from([0.0, 0.1, 1.0, 5.0]), st.integers(1, 3))
filling = st.builds(Limit, st.sampled_from([0.0, 0.1, 1.0, 5.0]), st.integers(1, 3), st.just(True))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.sampled_from(Priority), st.integers(1, 12)),
        st.tuples(st.just("advance"), st.sampled_from([0.01, 0.3, 1.0, 4.0, 30.0])),
        st.tuples(st.just("claim"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["ack", "bury", "redrive", "cancel"]), st.integers(0, 5)),
        st.tuples(st.sampled_from(["retry", "release"]), st.integers(0, 5), st.sampled_from([0.0, 0.7, 6.0])),
        st.tuples(st.just("hold"), st.sampled_from([0.5, 7.0])),
        st.tuples(st.sampled_from(["pause", "resume", "recover"])),
        st.tuples(st.just("move"), st.integers(0, 5), st.sampled_from(Priority)),
        st.tuples(st.sampled_from(["park", "unpark"]), st.sampled_from([*map(owned, ["nightly", "web"]), LOW])),
    ),
    max_size=60,
)


busy = steps.map(lambda script: [("submit", Priority.MEDIUM, 12), *script])


def run(limit: Limit, aging: float, script: list[Any], **more: Any) -> list[Dispatch]:
    """The dispatches that such a script makes, in which nothing that waits changes places."""
    script = [step for step in script if step[0] not in ("move", "park", "unpark")]
    return drained(limit, aging, script, **more).dispatches(1_000_000)


def drained(limit: Limit, aging: float, script: list[Any], **more: Any) -> MemoryStore:
    """A store after everything that a queue can go through, then its drain."""
    clock = FakeClock()
    store = MemoryStore(queueing.settings(**asdict(limit), priority_aging=aging, lease=20, **more), clock)
    ingestions: list[str] = []
    running: list[Batch] = []

    def claim(most: int) -> Wait | None:
        answer = store.claim(most)
        if isinstance(answer, Wait):
            return answer
        running.extend(one for call in answer for one in call.all)
        return None

    for word, *values in script:
        if word == "submit":
            owner = [None, "nightly", "web"][values[1] % 3]
            ingestions.append(queueing.submit(store, range(values[1]), values[0], owner=owner).id)
        elif word == "advance":
            clock.advance(values[0])
        elif word == "claim":
            claim(values[0])
        elif word == "hold":
            store.hold(values[0])
        elif word in ("pause", "resume", "recover"):
            getattr(store, word)()
        elif word in ("park", "unpark"):
            store.pause(what=values[0]) if word == "park" else store.resume(what=values[0])
        elif word == "move":
            with suppress(Conflict, IndexError):
                store.move(ingestions[values[0]], values[1])
        elif word in ("redrive", "cancel"):
            if ingestions:
                ingestion = store.get(ingestions[values[0] % len(ingestions)])
                if (word == "redrive" and ingestion.counts.failed and not ingestion.counts.cancelled) or (
                    word == "cancel" and not ingestion.status.final
                ):
                    getattr(store, word)(ingestion.id)
        elif running:
            batch = running.pop(values[0] % len(running))
            if word == "ack":
                queueing.finish(store, batch)
            elif word == "retry":
                retry(store, batch, BOOM, values[1])
            elif word == "bury":
                bury(store, batch, BOOM)
            else:
                release(store, batch, values[1])
    store.resume()
    store.resume(what=Pauses(LOW.priorities, frozenset({"nightly", "web"})))
    while True:
        wait = claim(2)
        if wait is not None:
            if wait.seconds is None:
                return store
            clock.advance(wait.seconds)
        while running:
            queueing.finish(store, running.pop())


@settings(deadline=None, max_examples=200)
@given(limits | filling, st.sampled_from([0.0, 10.0]), steps)
def test_what_a_store_does_is_clean(limit: Limit, aging: float, script: list[Any]) -> None:
    assert verify(run(limit, aging, script), interval=limit.interval, burst=limit.burst) == []


@settings(deadline=None, max_examples=200)
@given(limits, st.sampled_from([0.0, 10.0]), steps)
def test_it_is_clean_from_the_last_move_on(limit: Limit, aging: float, script: list[Any]) -> None:
    store = drained(limit, aging, script)
    log = log_of({"order_since": store.stats().order_since, "dispatches": []})
    starts = store.dispatches(1_000_000)
    assert verify(starts, interval=limit.interval, burst=limit.burst, order_since=log.order_since) == []


@settings(deadline=None, max_examples=200)
@given(limits | filling, st.sampled_from([0.0, 10.0]), st.sampled_from([{}, {"nightly": 1, "web": 4}]), steps)
def test_what_a_store_does_by_turns_is_clean(
    limit: Limit, aging: float, weights: dict[str, int], script: list[Any]
) -> None:
    log = run(limit, aging, script, fair=True, fair_weights=weights)
    assert verify(log, interval=limit.interval, burst=limit.burst, fair=weights) == []


@settings(deadline=None, max_examples=200)
@given(limits | filling, st.sampled_from([0.0, 10.0]), st.sampled_from([{}, {"nightly": 1, "web": 4}]), busy)
def test_turns_are_clean_from_the_last_move_on(
    limit: Limit, aging: float, weights: dict[str, int], script: list[Any]
) -> None:
    store = drained(limit, aging, script, fair=True, fair_weights=weights)
    since = store.stats().order_since
    log = store.dispatches(1_000_000)
    assert verify(log, interval=limit.interval, burst=limit.burst, order_since=since, fair=weights) == []


@settings(deadline=None, max_examples=200)
@given(limits | filling, st.sampled_from([{}, {"nightly": 1, "web": 4}]), busy, st.integers(0, 30))
def test_turns_are_clean_wherever_the_log_ends(
    limit: Limit, weights: dict[str, int], script: list[Any], most: int
) -> None:
    # A turn that a cancelled batch gives back is in no log.
    script = [step for step in script if step[0] != "cancel"]
    log = run(limit, 0.0, script, fair=True, fair_weights=weights)[:most]
    assert verify(log, interval=limit.interval, burst=limit.burst, fair=weights) == []


def of(owner: str, starts: list[float], *, first: int = 0) -> list[Dispatch]:
    """Starts of an owner's batches, which were all due from the beginning."""
    order = sum(map(ord, owner))
    return [dispatch(at, order=order, position=first + n)._replace(owner=owner) for n, at in enumerate(starts)]


def test_a_caller_that_got_more_than_its_share_is_caught() -> None:
    turns = [*of("nightly", [0, 10, 20]), *of("web", [5, 15, 25])]
    assert verify(turns, interval=5, fair={}) == []
    crowd = [*of("nightly", [0, 5, 10, 15]), *of("web", [20, 25])]
    (found,) = verify(crowd, interval=5, fair={})
    assert found.rule == "share"
    assert found.later.started_at == START + 15
    assert "nightly had 3 turns at MEDIUM" in found.detail
    assert "and web, which waited all the while, had 0." in found.detail
    assert verify(crowd, interval=5, fair={"nightly": 4}) == []


def test_turns_of_a_caller_while_the_others_had_nothing_due_are_its_own() -> None:
    late = [one._replace(due_at=START + 20) for one in of("web", [20, 25])]
    assert verify([*of("nightly", [0, 5, 10, 15]), *late], interval=5, fair={}) == []


def test_a_batch_that_was_put_back_does_not_count_twice() -> None:
    first, again = of("nightly", [0, 5]), of("nightly", [10, 15])
    again = [one._replace(due_at=START + 10) for one in again]
    web = [one._replace(due_at=START + 10) for one in of("web", [20, 25])]
    assert verify([*first, *again, *web], interval=5, fair={}) == []


def test_a_batch_that_steps_aside_has_given_back_its_turn_before_it_is_due_again() -> None:
    web = of("web", [5, 10, 15, 20])
    aside = [one._replace(started_at=START + 30, due_at=START + 30) for one in web]
    log = [*web[:3], *of("nightly", [25])]
    assert rules(verify(log, interval=5, fair={})) == ["share"]
    assert verify([*log, aside[0], aside[1]._replace(started_at=START + 35)], interval=5, fair={}) == []
    # It gives back one turn, and no more.
    assert rules(verify([*log, web[3], aside[0]], interval=5, fair={})) == ["share"]


def test_what_rides_is_no_turn_and_whoever_does_not_fit_keeps_its_own() -> None:
    nightly, web = of("nightly", [0, 10, 20, 30]), of("web", [5, 15, 25])
    riders = [of("sales", [at, at], first=2 * nth) for nth, at in enumerate([0, 10, 20])]
    ridden = [
        one._replace(rode_with=leader.batch_id) for some, leader in zip(riders, nightly, strict=False) for one in some
    ]
    log = [*nightly, *web, *ridden]
    assert verify(log, interval=5, fair={}) == []
    starved = [*of("nightly", [0, 5, 10, 15]), *of("web", [20])]
    (found,) = verify([*starved, *ridden[:2]], interval=5, fair={})
    assert found.rule == "share"
    assert found.later.started_at == START + 15
    # Nor do the rides of who waits make up for turns: they were places that nobody else could use.
    rides = [one._replace(rode_with=starved[0].batch_id) for one in of("web", [0, 0, 0], first=1)]
    assert rules(verify([*starved, *rides], interval=5, fair={})) == ["share"]


def test_a_rider_that_was_put_back_has_no_turn_to_give_back() -> None:
    first, crowd = of("nightly", [0])[0], of("nightly", [5, 10, 15], first=1)
    rider = crowd[0]._replace(started_at=START, rode_with=first.batch_id)
    again = crowd[0]._replace(due_at=START + 4)
    log = [first, rider, again, *crowd[1:], *of("web", [20])]
    assert rules(verify(log, interval=5, fair={})) == ["share"]


def test_a_turn_may_have_been_given_back_by_a_batch_that_still_waits() -> None:
    web, crowd = of("web", [50], first=9), of("nightly", [0, 5, 10], first=5)
    # What started last is more urgent than all before, each of which may have been put back and not be due again.
    retried = [one._replace(due_at=one.started_at) for one in of("nightly", [15, 20, 25], first=1)]
    assert verify([*crowd, *retried, *web], interval=5, fair={}) == []
    newest = of("nightly", [30], first=20)
    assert rules(verify([*crowd, *retried, *newest, *web], interval=5, fair={})) == ["share"]


def test_an_older_batch_of_the_same_caller_must_not_be_overtaken_where_callers_take_turns() -> None:
    swapped = [*of("web", [10], first=0), *of("web", [5], first=1), *of("nightly", [15])]
    assert rules(verify(swapped, interval=5, fair={})) == ["order"]


def test_a_less_urgent_priority_must_not_go_first_where_callers_take_turns() -> None:
    low = of("web", [5])[0]._replace(priority=Priority.LOW, rank=3.0)
    assert rules(verify([low, *of("nightly", [10])], interval=5, fair={})) == ["order"]


def test_a_log_says_whether_callers_take_turns() -> None:
    log = {"interval": 5.0, "burst": 1, "dispatches": [], "fair": {"web": 4}}
    assert log_of(log).fair == {"web": 4}
    assert log_of(log | {"fair": None}).fair is None
    for fair in ({"web": "4"}, {"web": 0}, {"web": -1}, 7):
        with pytest.raises(ValueError, match="fair must be an object of weights"):
            log_of(log | {"fair": fair})


@settings(deadline=None)
@given(limits.filter(lambda limit: limit.interval > 0), busy, st.data())
def test_starts_moved_too_close_are_caught(limit: Limit, script: list[Any], data: st.DataObject) -> None:
    log = run(limit, 0.0, script)
    assume(len(log) > limit.burst)
    at = data.draw(st.integers(0, len(log) - limit.burst - 1))
    window = [one.started_at for one in log[at : at + limit.burst + 1]]
    factor = limit.interval * data.draw(st.floats(0, 0.999)) / (window[-1] - window[0])
    for number, started_at in enumerate(window, at):
        log[number] = log[number]._replace(started_at=window[0] + (started_at - window[0]) * factor)
    found = verify(log, interval=limit.interval, burst=limit.burst)[0]
    assert found.rule == "rate"
    assert {found.earlier, found.later} <= set(log)
    assert found.earlier.started_at <= found.later.started_at


@settings(deadline=None)
@given(limits, busy, st.data())
def test_two_starts_that_changed_places_are_caught(limit: Limit, script: list[Any], data: st.DataObject) -> None:
    log = run(limit, 0.0, script)
    pairs = [
        (i, j)
        for j, less in enumerate(log)
        for i, more in enumerate(log[:j])
        if (more.rank, more.order, more.position) < (less.rank, less.order, less.position)
        and more.due_at < more.started_at < less.started_at
    ]
    assume(pairs)
    i, j = data.draw(st.sampled_from(pairs))
    log[i], log[j] = (
        log[i]._replace(started_at=log[j].started_at),
        log[j]._replace(started_at=log[i].started_at),
    )
    assert "order" in rules(verify(log, interval=limit.interval, burst=limit.burst))


halves = st.integers(0, 40).map(lambda value: value / 2)
logs = st.lists(
    st.builds(
        lambda due, wait, rank, order, position: dispatch(
            due + wait, due_at=due, rank=rank, order=order, position=position
        ),
        halves,
        halves,
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(logs, st.sampled_from([0.0, 0.5, 2.0]), st.integers(1, 4))
def test_the_rate_is_what_a_token_bucket_says(log: list[Dispatch], interval: float, burst: int) -> None:
    bucket = TokenBucket(interval, burst)
    kept = all(bucket.take(start) for start in sorted(one.started_at for one in log))
    assert ("rate" not in rules(verify(log, interval=interval, burst=burst))) == kept


@given(logs, st.sampled_from([0.0, 1.0]))
def test_the_order_is_what_every_pair_says(log: list[Dispatch], grace: float) -> None:
    overtaken = {
        later
        for later in log
        for earlier in log
        if later.due_at + grace < earlier.started_at < later.started_at
        and (earlier.rank, earlier.order, earlier.position) > (later.rank, later.order, later.position)
    }
    found = verify(log, interval=0, grace=grace)
    assert rules(found) == (["order"] if overtaken else [])
    for violation in found:
        assert violation.later.started_at == min(one.started_at for one in overtaken)
        assert violation.later.due_at < violation.earlier.started_at < violation.later.started_at


def test_the_offending_pair_is_named() -> None:
    low, high = dispatch(5, rank=3), dispatch(9, due_at=4, rank=1, order=2)
    rate, order = verify([high, dispatch(0, rank=3), low], interval=5)
    assert (rate.rule, rate.earlier, rate.later) == ("rate", low, high)
    assert "2 starts within 4.000000 s" in rate.detail
    assert (order.rule, order.earlier, order.later) == ("order", low, high)
    assert "due for 1.000000 s" in order.detail
    assert "batch 2-0" in order.detail


def test_a_batch_due_only_at_that_moment_was_not_overtaken() -> None:
    assert verify([dispatch(5, rank=3), dispatch(10, due_at=5, rank=1, order=2)], interval=5) == []


def test_a_hundred_thousand_take_a_moment() -> None:
    log = [dispatch(number * 5.0, order=number) for number in range(100_000)]
    log.append(dispatch(100_000 * 5.0, due_at=499_990, order=0))
    (violation,) = verify(log, interval=5)
    assert violation.earlier.order == 99_999


def as_json(one: Dispatch) -> dict[str, Any]:
    return {**one._asdict(), "priority": one.priority.name}


def test_every_form_of_a_log_is_read() -> None:
    log = [dispatch(0), dispatch(5, position=1)]
    items = [as_json(one) for one in log]
    answer = read(json.dumps({"interval": 5.0, "burst": 2, "dispatches": items}))
    assert (answer.dispatches, answer.interval, answer.burst) == (log, 5.0, 2)
    assert read(json.dumps(items)).dispatches == log
    assert read("\n".join(map(json.dumps, items)) + "\n").dispatches == log
    assert read(json.dumps(items[0])).dispatches == log[:1]
    assert read("[]").interval is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is not JSON"),
        ("start,due", "This is not JSON"),
        ('{"interval": "5", "dispatches": []}', "interval, burst, rate_since and order_since must be numbers"),
        ('{"dispatches": 7}', "A list of dispatches is needed, not 7"),
        ("[7]", "Dispatch 1 must be an object, not 7"),
        (json.dumps(as_json(dispatch(0))) + "\n{oops\n", "Line 2 is not JSON"),
        (json.dumps([as_json(dispatch(0)), {"started_at": True}]), "Dispatch 2 needs started_at as a number, not True"),
        (json.dumps([as_json(dispatch(float("nan")))]), "Dispatch 1 needs started_at as a number"),
        (
            json.dumps([{**as_json(dispatch(0)), "priority": "URGENT"}]),
            'Dispatch 1: priority must be HIGH, MEDIUM or LOW, not "URGENT"',
        ),
        (
            json.dumps([{**as_json(dispatch(0)), "priority": []}]),
            "Dispatch 1: priority must be HIGH, MEDIUM or LOW, not an array",
        ),
        (json.dumps([{**as_json(dispatch(0)), "owner": ["web"]}]), "Dispatch 1 needs owner as text or null"),
        (json.dumps([{**as_json(dispatch(0)), "rode_with": {}}]), "Dispatch 1 needs rode_with as text or null"),
        (json.dumps([{**as_json(dispatch(0)), "attempt": []}]), "Dispatch 1 needs attempt as a number"),
    ],
)
def test_a_log_that_is_none_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text)


def test_a_parsed_answer_is_a_log() -> None:
    assert log_of({"interval": None, "burst": None, "dispatches": []}).dispatches == []


def test_each_of_several_limits_is_proved() -> None:
    limits = parse_limits("2/10s burst 2, 3/min burst 3")
    kept = [dispatch(at, order=number) for number, at in enumerate([0.0, 0.0, 10.0, 60.0], 1)]
    assert verify(kept, interval=0, limits=limits) == []
    (violation,) = verify([*kept[:3], dispatch(59.0, order=4)], interval=0, limits=limits)
    assert violation.rule == "rate"
    assert "with a burst of 3" in violation.detail


def test_a_quota_is_proved_from_reset_to_reset() -> None:
    quota = parse_limits("2/day at 08:01 UTC")
    kept = [dispatch(at, order=number) for number, at in enumerate([0.0, 1.0, 60.0, 61.0], 1)]
    assert verify(kept, interval=0, limits=quota) == []
    (violation,) = verify([*kept, dispatch(62.0, order=5)], interval=0, limits=quota)
    assert "is start number 3 since 2027-01-15 08:01+00:00; 2/day at 08:01 UTC allows 2." in violation.detail


def test_a_rate_is_proved_from_its_change_on() -> None:
    log = log_of({"interval": 10, "burst": 1, "rate_since": START + 7, "dispatches": []})
    assert log.since == START + 7
    starts = [dispatch(at, order=number) for number, at in enumerate([0.0, 5.0, 8.0, 18.0], 1)]
    assert verify(starts, interval=10, since=log.since) == []
    assert rules(verify(starts, interval=10)) == ["rate"]
    (violation,) = verify([*starts, dispatch(27.0, order=5)], interval=10, since=log.since)
    assert violation.later.started_at == START + 27


def test_the_limits_are_in_the_log() -> None:
    log = log_of({"interval": 0, "burst": 1, "limits": ["3/min burst 3"], "dispatches": []})
    assert log.limits == parse_limits("3/min burst 3")
    with pytest.raises(ValueError, match="'fast' is none"):
        log_of({"limits": ["fast"], "dispatches": []})


def rode(one: Dispatch, leader: str) -> Dispatch:
    return one._replace(rode_with=leader)


def test_what_rides_takes_no_token_and_overtakes_nothing() -> None:
    log = [
        dispatch(0, order=1, rank=1),
        rode(dispatch(0, order=3), "1-0"),
        dispatch(5, order=2, due_at=-1),  # it did not fit
        rode(dispatch(5, order=4), "2-0"),
    ]
    assert verify(log, interval=5) == []
    told = {"dispatches": [dispatch_document(one) for one in log], "interval": 5, "burst": 1}
    assert log_of(json.loads(json.dumps(told))).dispatches == log
    assert rules(verify([one._replace(rode_with=None) for one in log], interval=5)) == ["rate", "order"]


def test_what_rides_can_itself_be_overtaken() -> None:
    log = [
        dispatch(0, order=1),
        dispatch(5, order=3),
        dispatch(10, order=1, position=1),
        rode(dispatch(10, order=2), "1-1"),
    ]
    assert rules(verify(log, interval=5)) == ["order"]


@pytest.mark.parametrize(
    ("rider", "words"),
    [
        (dispatch(6, order=2), "took no token at that time"),
        (dispatch(5, order=0), "is less urgent"),
    ],
)
def test_what_rode_in_no_call_of_its_own_rank_is_caught(rider: Dispatch, words: str) -> None:
    log = [dispatch(0, order=1, due_at=0), dispatch(5, order=1, position=1), rode(rider, "1-1")]
    (found,) = verify(log, interval=5)
    assert (found.rule, found.later.rode_with) == ("riders", "1-1")
    assert words in found.detail


def test_a_leader_may_be_cut_off_where_the_log_begins() -> None:
    log = [rode(dispatch(0, order=2), "1-0"), dispatch(5, order=3)]
    assert verify(log, interval=5) == []
