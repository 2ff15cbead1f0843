"""The figures in the state of the queue."""

from __future__ import annotations

from collections.abc import Callable

from app.core.models import BatchError, Priority
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, release, retry, submit

BOOM = BatchError("RuntimeError", "boom")


def test_failed_batches_are_counted_until_they_go_again_or_are_forgotten(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0, retention=60)
    first, second = submit(store, range(1, 10)), submit(store, [1])
    for batch in claimed(store, 4):
        if batch.batch.position == 2:
            finish(store, batch)
        else:
            bury(store, batch, BOOM)
    assert store.stats().failed == 3
    store.redrive(second.id)
    assert store.stats().failed == 2
    finish(store, claimed(store)[0])
    assert store.stats().failed == 2
    assert store.stats().depths[Priority.MEDIUM].waiting == 0
    store.redrive(first.id)
    assert store.stats().depths[Priority.MEDIUM].waiting == 2
    for batch in claimed(store, 2):
        bury(store, batch, BOOM)
    clock.advance(61)
    sum(store.prune())
    assert store.stats().failed == 0


def test_the_first_retry_that_is_not_due_is_told(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0)
    submit(store, range(1, 7))
    assert store.stats().next_retry_at is None
    now = clock.now()
    one, two = claimed(store, 2)
    retry(store, one, BOOM, 30)
    retry(store, two, BOOM, 10)
    assert store.stats().waiting_on == "retry"
    assert store.stats().next_retry_at == now + 10
    clock.advance(10)
    assert store.stats().next_retry_at == now + 30


def test_the_tokens_and_what_runs_are_told(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store, now = new_store(burst=2), clock.now()
    submit(store, range(1, 10))
    stats = store.stats()
    assert (stats.tokens, stats.next_token_at, stats.running) == (2, now, 0)
    claims = claimed(store, 2)
    stats = store.stats()
    assert (stats.tokens, stats.next_token_at, stats.running) == (0, now + 5, 2)
    clock.advance(4)
    finish(store, claims[0])
    stats = store.stats()
    assert (stats.tokens, stats.next_token_at, stats.running) == (0, now + 5, 1)
    assert (stats.now, stats.service_seconds) == (now + 4, 4.0)


def test_how_long_a_batch_takes_is_learned_from_those_that_were_tried(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=0)
    submit(store, range(1, 13))
    batches = claimed(store, 4)
    clock.advance(100)
    release(store, batches.pop())
    assert store.stats().service_seconds == 0
    finish(store, batches.pop())
    assert store.stats().service_seconds == 100
    clock.advance(100)
    release(store, claimed(store)[0])
    assert store.stats().service_seconds == 100
    bury(store, batches.pop(), BOOM)
    assert store.stats().service_seconds == 125  # the fourth to end, of which two were put back
    retry(store, batches.pop(), BOOM, 0)
    assert store.stats().service_seconds == 140
