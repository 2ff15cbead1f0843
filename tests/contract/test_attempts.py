"""The attempts at each batch, as they are kept with ATTEMPTS_KEPT."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import LOST, Attempt, BatchError
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, release, retry, submit

from .test_listing import STEPS, act

BOOM = BatchError("ValueError", "boom")


def here() -> tuple[str, int]:
    """This machine and process, which need not be the one that imported this."""
    return socket.gethostname(), os.getpid()


def test_each_says_when_it_ran_how_it_ended_and_what_it_waited_for(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=5, attempts_kept=9, lease=60)
    made = submit(store, [1])
    began = clock.now()
    assert store.attempts(made.id) == (made, began, [])
    (claim,) = claimed(store)
    running = Attempt(0, 1, began, began, "arrival", *here())
    assert store.attempts(made.id)[2] == [running]
    clock.advance(2)
    release(store, claim)
    clock.advance(3)
    (claim,) = claimed(store)
    clock.advance(1)
    retry(store, claim, BOOM, 30.0)
    clock.advance(30)
    claimed(store)
    clock.advance(60)
    store.recover()
    clock.advance(10)
    bury(store, claimed(store)[0], BOOM)
    store.redrive(made.id)
    clock.advance(5)
    finish(store, claimed(store)[0])
    ingestion, estimate, made_here = store.attempts(made.id)
    assert ingestion.finished_at == clock.now()
    assert estimate is None
    assert made_here == [
        running._replace(ended_at=began + 2, outcome="released"),
        Attempt(0, 1, began + 2, began + 5, "token", *here(), began + 6, "retry", BOOM),
        Attempt(0, 2, began + 36, began + 36, "retry", *here(), began + 96, "retry", LOST),
        Attempt(0, 3, began + 96, began + 106, made_here[3].limited_by, *here(), began + 106, "failed", BOOM),
        Attempt(0, 1, began + 106, began + 111, "token", *here(), began + 111, "completed"),
    ]


def test_of_each_batch_as_many_are_kept_as_the_setting_says(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, batch_size=1, attempts_kept=2)
    made = submit(store, [1, 2])
    for _ in range(3):
        for claim in claimed(store, 2):
            retry(store, claim, BOOM, 0.0)
    assert [(one.position, one.number) for one in store.attempts(made.id)[2]] == [(0, 2), (0, 3), (1, 2), (1, 3)]


@given(steps=STEPS, kept=st.integers(1, 3))
def test_the_latest_are_kept_whatever_happens(
    new_store: Callable[..., Store], clock: FakeClock, steps: Any, kept: int
) -> None:
    clock.reset()
    stores = new_store(interval=0, retention=300, attempts_kept=kept)
    for step, number in steps:
        act(stores, clock, step, number)
    started: dict[tuple[str, int], list[float]] = {}
    for one in stores.dispatches(1000):
        started.setdefault((one.ingestion_id, one.position), []).append(one.started_at)
    for ingestion in stores.ingestions(limit=1000):
        told = stores.attempts(ingestion.id)[2]
        assert [(one.position, one.started_at) for one in told] == [
            (position, at)
            for position in range(ingestion.batch_count)
            for at in started.get((ingestion.id, position), [])[-kept:]
        ]
        assert stores.attempts(ingestion.id, 1, 1)[2] == [one for one in told if one.position == 1]
        latest = {one.position: one for one in told}
        for batch in stores.batches(ingestion.id)[1]:
            if batch.finished_at is not None:
                assert latest[batch.position].ended_at == batch.finished_at
                assert latest[batch.position].error == batch.error


def test_without_the_setting_none_is_kept(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    made = submit(store, [1])
    finish(store, claimed(store)[0])
    assert store.attempts(made.id)[2] == []


def test_the_estimate_made_at_submission_is_kept(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    submit(store, range(1, 7))
    made = submit(store, range(1, 7))
    estimate = clock.now() + 15
    for _ in range(4):
        finish(store, claimed(store)[0])
        clock.advance(7)
    ingestion, at_submission, _ = store.attempts(made.id)
    assert (ingestion.status.value, at_submission) == ("completed", estimate)


def test_they_are_forgotten_with_their_ingestion(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, retention=60, attempts_kept=2)
    submit(store, [1])
    finish(store, claimed(store)[0])
    clock.advance(61)
    assert sum(store.prune()) == 1
    assert store.ingestions() == []
