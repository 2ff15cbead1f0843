"""A fork waits for the transactions inside, and those that come meanwhile wait for the fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.sql.forkgate import ForkGate
from app.sql.store import SQLStore
from tests.support.queueing import submit

PATIENCE = 10.0


@pytest.fixture
def gate() -> ForkGate:
    return ForkGate()


@pytest.fixture
def start(gate: ForkGate) -> Iterator[Callable[[Callable[[], None]], Future[None]]]:
    """Runs work in a thread that has to wait at the gate, and returns once it does."""
    with ThreadPoolExecutor(2) as pool:

        def make(work: Callable[[], None]) -> Future[None]:
            before, future = waiting(gate), pool.submit(work)
            give_up_at = time.monotonic() + PATIENCE
            while waiting(gate) == before:
                assert not future.done(), "it did not wait"
                assert time.monotonic() < give_up_at
                time.sleep(0.001)
            return future

        yield make


def waiting(gate: ForkGate) -> int:
    """How many threads wait at a gate, which is not visible from outside."""
    return len(gate._changed._waiters)  # type: ignore[attr-defined]


def test_a_fork_waits_until_the_last_transaction_has_left(
    gate: ForkGate, start: Callable[[Callable[[], None]], Future[None]]
) -> None:
    with gate:
        with gate:
            fork = start(lambda: gate.close(3 * PATIENCE))
        assert not fork.done()
    fork.result(PATIENCE)


def test_no_transaction_enters_until_the_fork_is_over(
    gate: ForkGate, start: Callable[[Callable[[], None]], Future[None]]
) -> None:
    entered = threading.Event()

    def enter() -> None:
        with gate:
            entered.set()

    gate.close(3 * PATIENCE)
    transaction = start(enter)
    assert not entered.is_set()
    gate.open()
    transaction.result(PATIENCE)
    assert entered.is_set()


def test_a_fork_waits_for_nobody_where_nobody_is_and_no_longer_than_it_says(gate: ForkGate) -> None:
    begin = time.monotonic()
    gate.close(3 * PATIENCE)
    gate.open()
    with gate, pytest.raises(KeyError), gate:
        raise KeyError
    gate.close(3 * PATIENCE)
    gate.open()
    with gate:
        gate.close(0.01)
    assert time.monotonic() - begin < PATIENCE


def test_a_store_goes_on_after_a_fork(open_sql: Callable[..., SQLStore]) -> None:
    store = open_sql(store_timeout=3 * PATIENCE)
    store.prepare()
    store.before_fork()
    with ThreadPoolExecutor(1) as pool:
        added = pool.submit(submit, store, [1])
        try:
            with pytest.raises(TimeoutError):
                added.result(0.05)
        finally:
            store.after_fork_in_parent()
        assert added.result(PATIENCE).order == 1
