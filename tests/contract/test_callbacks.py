"""What is to be told of an ingestion's end: kept in the step in which it ends, and given to one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.callbacks import Callback, CallbackState, Delivery, Unsent
from app.core import BatchError, Ingestion
from app.core.models import Status
from app.errors import UnknownIngestion
from app.store import Store
from app.wiring import open_store
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, finish, retry, settings, submit

URL = "https://hooks.example.org/in?key=1"
TOLD = {"webhook_url": URL, "webhook_secret": "whsec_" + "A" * 32, "interval": 0}
BOOM = BatchError("RuntimeError", "boom")
LEASE = 30.0
NewStore = Callable[..., Store]


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store(**TOLD)


def ended(store: Store, ids: Any = (1,), **more: Any) -> Ingestion:
    ingestion = submit(store, ids, **more)
    after = finish(store, claimed(store)[0])
    assert after is not None
    assert after.id == ingestion.id
    return after


def taken(store: Store) -> Callback:
    """The callback of a claim that must succeed."""
    callback = store.outbox.claim(LEASE)
    assert isinstance(callback, Callback), callback
    return callback


def again(error: str, delay: float) -> Delivery:
    return Delivery(CallbackState.PENDING, error, delay)


SENT = Delivery(CallbackState.SENT)
FAILED = Delivery(CallbackState.FAILED, "it is gone")


def test_an_end_is_told_with_the_status_and_no_batches(store: Store) -> None:
    ingestion = ended(store, [1, 2], owner="importer")
    callback = taken(store)
    assert (callback.ingestion_id, callback.url, callback.attempts) == (ingestion.id, None, 1)
    assert callback.id.startswith("msg_")
    body = json.loads(callback.body)
    assert body["type"] == "ingestion.completed"
    assert body["timestamp"] == body["data"]["finished_at"] == "2027-01-15T08:00:00.000Z"
    assert body["data"]["ingestion_id"] == ingestion.id
    assert (body["data"]["status"], body["data"]["counts"]["completed"]) == ("completed", 1)
    assert body["data"]["owner"] == "importer"
    assert "batches" not in body["data"]


def fail(store: Store, _: Ingestion) -> Ingestion | None:
    return bury(store, claimed(store)[0], BOOM)


def cancel(store: Store, ingestion: Ingestion) -> Ingestion | None:
    return store.cancel(ingestion.id)[0]


@pytest.mark.parametrize(("end", "kind"), [(fail, "failed"), (cancel, "cancelled")])
def test_every_way_to_end_is_told(store: Store, end: Callable[..., Ingestion | None], kind: str) -> None:
    after = end(store, submit(store, [1]))
    assert after is not None
    assert after.status == Status(kind)
    assert json.loads(taken(store).body)["type"] == f"ingestion.{kind}"
    assert store.outbox.claim(LEASE) == LEASE


def test_a_lost_last_attempt_is_told(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(max_attempts=1, **TOLD)
    submit(store, [1])
    claimed(store)
    clock.advance(61)
    store.recover()
    assert json.loads(taken(store).body)["type"] == "ingestion.failed"


def test_only_the_end_of_the_whole_is_told(store: Store, clock: FakeClock) -> None:
    submit(store, range(1, 7))
    first, second = claimed(store, 2)
    finish(store, first)
    retry(store, second, BOOM, 5)
    assert store.outbox.claim(LEASE) is None
    clock.advance(5)
    finish(store, claimed(store)[0])
    assert taken(store).attempts == 1


def test_without_a_receiver_nothing_is_kept(new_store: NewStore) -> None:
    store = new_store(interval=0)
    ingestion = ended(store)
    assert store.outbox.claim(LEASE) is None
    assert store.outbox.of(ingestion.id) == []
    assert store.outbox.unsent() == Unsent(0, 0)


def test_an_ingestions_own_receiver_is_told_instead(new_store: NewStore) -> None:
    store = new_store(**TOLD)
    ended(store, callback="http://other.example.org/x")
    assert taken(store).url == "http://other.example.org/x"
    alone = new_store(interval=0)
    ended(alone, callback="http://other.example.org/x")
    assert taken(alone).url == "http://other.example.org/x"


def test_nobody_else_gets_it_until_its_lease_is_over(store: Store, clock: FakeClock) -> None:
    ended(store)
    first = taken(store)
    assert store.outbox.claim(LEASE) == LEASE
    clock.advance(LEASE)
    second = taken(store)
    assert (second.id, second.attempts) == (first.id, 2)
    assert not store.outbox.end(first, SENT), "its attempt is no longer the latest"
    assert store.outbox.end(second, SENT)
    assert not store.outbox.end(second, FAILED), "it is over"
    assert store.outbox.claim(LEASE) is None


def test_the_one_that_has_been_due_the_longest_goes_first(store: Store, clock: FakeClock) -> None:
    made = []
    for _ in range(3):
        made.append(ended(store).id)
        clock.advance(1)
    order = [taken(store) for _ in made]
    assert [one.ingestion_id for one in order] == made
    for callback, delay in zip(order, (9, 3, 6), strict=True):
        store.outbox.end(callback, again("no", delay))
    clock.advance(9)
    assert [taken(store).ingestion_id for _ in made] == [made[1], made[2], made[0]]


def test_a_failed_attempt_says_why_and_when_it_goes_again(store: Store, clock: FakeClock) -> None:
    ingestion = ended(store)
    store.outbox.end(taken(store), again("it answered 500", 7.5))
    (callback,) = store.outbox.of(ingestion.id)
    assert (callback.state, callback.error, callback.at) == (CallbackState.PENDING, "it answered 500", START + 7.5)
    assert store.outbox.claim(LEASE) == 7.5
    clock.advance(7.5)
    assert taken(store).attempts == 2
    assert store.outbox.unsent() == Unsent(1, 0)


def test_what_was_not_tried_does_not_count(store: Store, clock: FakeClock) -> None:
    ended(store)
    first = taken(store)
    store.outbox.end(first, Delivery(CallbackState.PENDING, "its host rests", 5, counted=False))
    clock.advance(5)
    second = taken(store)
    assert (second.id, second.attempts, second.since) == (first.id, 1, START)


def test_the_day_of_attempts_begins_with_the_first_that_fails(store: Store, clock: FakeClock) -> None:
    ended(store)
    clock.advance(100_000)
    lost = taken(store)
    assert lost.elapsed(LEASE) == 0
    clock.advance(LEASE)
    first = taken(store)
    assert (first.attempts, first.elapsed(LEASE)) == (2, 0)
    clock.advance(2)
    store.outbox.end(first, again("no", 5))
    clock.advance(5)
    second = taken(store)
    assert second.elapsed(LEASE) == 5
    store.outbox.end(second, Delivery(CallbackState.PENDING, "its host rests", 60, counted=False))
    clock.advance(60)
    third = taken(store)
    assert (third.attempts, third.elapsed(LEASE)) == (3, 65)


def test_what_was_put_off_has_its_day_before_it(store: Store, clock: FakeClock) -> None:
    ended(store)
    for _ in range(3):
        put_off = taken(store)
        assert (put_off.attempts, put_off.elapsed(LEASE), put_off.is_redriven) == (1, 0, False)
        store.outbox.end(put_off, Delivery(CallbackState.PENDING, "its host rests", 50_000, counted=False))
        clock.advance(50_000)
    first = taken(store)
    assert (first.attempts, first.elapsed(LEASE)) == (1, 0)
    store.outbox.end(first, again("no", 5))
    clock.advance(5)
    second = taken(store)
    assert (second.elapsed(LEASE), second.is_redriven) == (5, False)


def test_what_is_redriven_has_another_day_from_its_next_attempt_on(store: Store, clock: FakeClock) -> None:
    ingestion = ended(store)
    store.outbox.end(taken(store), FAILED)
    store.outbox.redrive(ingestion.id)
    clock.advance(100_000)
    again_first = taken(store)
    assert (again_first.attempts, again_first.elapsed(LEASE)) == (2, 0)
    store.outbox.end(again_first, again("no", 5))
    clock.advance(5)
    assert taken(store).elapsed(LEASE) == 5


def test_what_failed_for_good_goes_again_when_it_is_redriven(store: Store, clock: FakeClock) -> None:
    ingestion = ended(store)
    first = taken(store)
    store.outbox.end(first, FAILED)
    assert store.outbox.unsent() == Unsent(0, 1)
    assert store.outbox.claim(LEASE) is None
    clock.advance(3600)
    assert store.outbox.redrive(ingestion.id) == 1
    assert store.outbox.unsent() == Unsent(1, 0)
    second = taken(store)
    assert (second.id, second.body, second.attempts) == (first.id, first.body, 2)
    assert (second.since, second.is_redriven, first.is_redriven) == (clock.now(), True, False)
    store.outbox.end(second, SENT)
    assert store.outbox.redrive(ingestion.id) == 0


def test_the_audit_log_says_who_sent_what_again(store: Store) -> None:
    ingestion = submit(store, [1])
    for delivery in (FAILED, again("no", 3600), SENT):
        bury(store, claimed(store)[0], BOOM)
        store.outbox.end(taken(store), delivery)
        store.redrive(ingestion.id)
    before = len(store.audits(99))
    assert store.outbox.redrive(ingestion.id, "ann") == 2
    entry, *others = store.audits(99)
    assert len(others) == before
    assert (entry.by, entry.action, entry.subject) == ("ann", "redrive_callback", ingestion.id)
    assert (entry.before, entry.after) == ({"pending": 1, "failed": 1}, {"pending": 2, "failed": 0})


def test_what_is_not_sent_again_is_not_in_the_audit_log(store: Store) -> None:
    ingestion = ended(store)
    store.outbox.end(taken(store), SENT)
    assert store.outbox.redrive(ingestion.id, "ann") == 0
    assert store.audits(9) == []


def test_what_waits_goes_at_once_when_it_is_redriven(store: Store) -> None:
    ingestion = ended(store)
    store.outbox.end(taken(store), again("no", 3600))
    assert store.outbox.redrive(ingestion.id) == 1
    assert taken(store).attempts == 2


def test_an_ingestion_that_ends_again_is_told_again(store: Store, clock: FakeClock) -> None:
    ingestion = submit(store, [1])
    bury(store, claimed(store)[0], BOOM)
    first = taken(store)
    store.outbox.end(first, SENT)
    clock.advance(1)
    store.redrive(ingestion.id)
    finish(store, claimed(store)[0])
    second = taken(store)
    assert second.id != first.id
    assert json.loads(second.body)["type"] == "ingestion.completed"
    assert [one.id for one in store.outbox.of(ingestion.id)] == [second.id, first.id]


def test_it_outlives_its_ingestion_and_is_forgotten_after_its_own_end(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ingestion = ended(store)
    store.outbox.end(taken(store), again("no", 150))
    clock.advance(150)
    sum(store.prune())
    store.outbox.prune()
    with pytest.raises(UnknownIngestion):
        store.get(ingestion.id)
    callback = taken(store)
    assert json.loads(callback.body)["data"]["ingestion_id"] == ingestion.id
    store.outbox.end(callback, FAILED)
    clock.advance(99)
    store.outbox.prune()
    assert store.outbox.unsent() == Unsent(0, 1)
    clock.advance(1)
    store.outbox.prune()
    assert store.outbox.unsent() == Unsent(0, 0)
    assert store.outbox.of(ingestion.id) == []


def test_who_forgets_ingestions_forgets_callbacks_too(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ended(store)
    store.outbox.end(taken(store), SENT)
    ended(store)
    store.outbox.end(taken(store), FAILED)
    waits = ended(store)
    clock.advance(100)
    sum(store.prune())
    assert store.outbox.unsent() == Unsent(1, 0)
    assert taken(store).ingestion_id == waits.id


def test_very_many_are_forgotten_with_what_else_is_old(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    for _ in range(101):
        ended(store)
        store.outbox.end(taken(store), FAILED)
    clock.advance(100)
    sum(store.prune())
    assert store.outbox.unsent() == Unsent(0, 0)


def test_what_nobody_sends_any_more_is_forgotten_once_it_was_due_for_as_long(address: str, clock: FakeClock) -> None:
    if address == "memory://":
        pytest.skip("its settings cannot change")
    with closing(open_store(settings(store=address, retention=100, **TOLD), clock, "unset")) as before:
        ended(before)
        ended(before)
        before.outbox.end(taken(before), again("no", 50))
    with closing(open_store(settings(store=address, retention=100, interval=0), clock, "unset")) as after:
        clock.advance(99)
        sum(after.prune())
        assert after.outbox.unsent() == Unsent(2, 0)
        clock.advance(1)
        sum(after.prune())
        assert after.outbox.unsent() == Unsent(1, 0)
        clock.advance(50)
        sum(after.prune())
        assert after.outbox.unsent() == Unsent(0, 0)


def test_one_that_failed_again_is_kept_from_then_on(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(**TOLD, retention=100)
    ingestion = ended(store)
    for _ in range(2):
        store.outbox.redrive(ingestion.id)
        store.outbox.end(taken(store), FAILED)
        clock.advance(60)
    store.outbox.prune()
    assert len(store.outbox.of(ingestion.id)) == 1


def test_a_redriven_one_is_not_forgotten_with_its_first_end(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ingestion = ended(store)
    store.outbox.end(taken(store), FAILED)
    clock.advance(99)
    store.outbox.redrive(ingestion.id)
    clock.advance(1)
    store.outbox.prune()
    store.outbox.end(taken(store), FAILED)
    clock.advance(99)
    store.outbox.prune()
    assert store.outbox.unsent() == Unsent(0, 1)
    clock.advance(1)
    store.outbox.prune()
    assert store.outbox.unsent() == Unsent(0, 0)


def test_one_of_two_ends_is_forgotten_before_the_other(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ingestion = submit(store, [1])
    bury(store, claimed(store)[0], BOOM)
    store.outbox.end(taken(store), SENT)
    clock.advance(60)
    store.redrive(ingestion.id)
    finish(store, claimed(store)[0])
    store.outbox.end(second := taken(store), SENT)
    clock.advance(40)
    store.outbox.prune()
    assert [one.id for one in store.outbox.of(ingestion.id)] == [second.id]
    clock.advance(60)
    store.outbox.prune()
    assert store.outbox.of(ingestion.id) == []


def test_one_that_ended_twice_in_a_moment_is_forgotten_once(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ingestion = ended(store)
    store.outbox.end(taken(store), FAILED)
    store.outbox.redrive(ingestion.id)
    store.outbox.end(taken(store), SENT)
    clock.advance(100)
    store.outbox.prune()
    assert (store.outbox.unsent(), store.outbox.of(ingestion.id)) == (Unsent(0, 0), [])
    assert store.outbox.claim(LEASE) is None


def test_one_that_is_redriven_in_the_moment_it_failed_is_kept(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ingestion = ended(store)
    store.outbox.end(taken(store), FAILED)
    store.outbox.redrive(ingestion.id)
    clock.advance(100)
    store.outbox.prune()
    assert taken(store).ingestion_id == ingestion.id


def test_what_is_no_longer_kept_cannot_end(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(retention=100, **TOLD)
    ended(store)
    callback = taken(store)
    assert store.outbox.end(callback, SENT) is True
    assert store.outbox.end(callback, FAILED) is False
    clock.advance(100)
    store.outbox.prune()
    assert store.outbox.end(callback, FAILED) is False
    assert store.outbox.unsent() == Unsent(0, 0)


def test_what_is_due_later_does_not_hide_what_is_due(store: Store, clock: FakeClock) -> None:
    ended(store)
    store.outbox.end(taken(store), again("no", 100))
    clock.advance(1)
    ended(store)
    assert taken(store).attempts == 1
    assert store.outbox.claim(LEASE) == LEASE


def test_another_process_is_noticed_by_polling(address: str, clock: FakeClock) -> None:
    if address == "memory://":
        pytest.skip("no other process shares it")
    polls = open_store(settings(store=address, store_poll=2, **TOLD), clock, "polls")
    assert polls.outbox.claim(LEASE) == 2.0
    ended(polls)
    polls.outbox.end(taken(polls), again("no", 1.5))
    assert polls.outbox.claim(LEASE) == 1.5
    polls.close()


@dataclass
class Model:
    """An outbox that is too simple to be wrong: for each callback its state, when it is due, and its attempts."""

    pending: dict[str, tuple[float, int]] = field(default_factory=dict)
    over: dict[str, tuple[CallbackState, int]] = field(default_factory=dict)
    running: list[Callback] = field(default_factory=list)


STEPS = st.sampled_from(["end", "claim", "claim", "sent", "again", "fail", "redrive", "pass"])


@given(st.lists(st.tuples(STEPS, st.integers(0, 9)), max_size=40))
def test_each_is_held_by_one_at_a_time_until_it_is_over(
    new_store: NewStore, clock: FakeClock, steps: list[tuple[str, int]]
) -> None:
    store, model = new_store(**TOLD), Model()
    outbox, of = store.outbox, dict[str, str]()
    for step, number in steps:
        if step == "end":
            ingestion = ended(store)
            (callback,) = outbox.of(ingestion.id)
            of[callback.id] = ingestion.id
            model.pending[callback.id] = clock.now(), 0
        elif step == "claim":
            first = min((at for at, _ in model.pending.values()), default=None)
            found = outbox.claim(LEASE)
            if first is None or first > clock.now():
                assert found == (None if first is None else first - clock.now())
                continue
            assert isinstance(found, Callback)
            at, attempts = model.pending[found.id]
            assert (at, attempts + 1) == (first, found.attempts)
            model.pending[found.id] = clock.now() + LEASE, found.attempts
            model.running.append(found)
        elif step in ("sent", "again", "fail") and model.running:
            held = model.running.pop(number % len(model.running))
            state = {"sent": CallbackState.SENT, "again": CallbackState.PENDING, "fail": CallbackState.FAILED}[step]
            latest = model.pending.get(held.id) == (held.at, held.attempts)
            assert outbox.end(held, Delivery(state, None, number if step == "again" else 0)) == latest
            if latest and step == "again":
                model.pending[held.id] = clock.now() + number, held.attempts
            elif latest:
                model.over[held.id] = state, model.pending.pop(held.id)[1]
        elif step == "redrive" and of:
            callback_id = list(of)[number % len(of)]
            known = model.over.get(callback_id)
            sent = known is not None and known[0] is CallbackState.SENT
            assert outbox.redrive(of[callback_id]) == (not sent)
            if not sent:
                attempts = model.over.pop(callback_id)[1] if known else model.pending[callback_id][1]
                model.pending[callback_id] = clock.now(), attempts
        elif step == "pass":
            clock.advance(number * 5)
    failed = sum(state is CallbackState.FAILED for state, _ in model.over.values())
    assert outbox.unsent() == Unsent(len(model.pending), failed)
    clock.advance(LEASE)
    while isinstance(left := outbox.claim(LEASE), Callback):
        assert outbox.end(left, SENT)
    assert outbox.unsent() == Unsent(0, failed), "whatever happened, each can still be sent"
