"""A fork waits for the transactions inside, and those that come meanwhile wait for the fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.sql.forkgate import ForkGate
from app.sql.store import SQLStore
from tests.support.host import eventually
from tests.support.queueing import submit

PATIENCE = 10.0


@pytest.fixture
def gate() -> ForkGate:
    return ForkGate()


def started(work: Callable[[], object]) -> threading.Event:
    """Runs work in a thread that keeps no test alive; the event is set once it is done."""
    done = threading.Event()
    threading.Thread(target=lambda: (work(), done.set()), daemon=True).start()
    return done


def waits(gate: ForkGate, work: Callable[[], object]) -> threading.Event:
    """The same for work that has to wait at the gate, once it does: that is not visible from outside."""
    done = started(work)
    eventually(lambda: done.is_set() or gate._changed._waiters)  # type: ignore[attr-defined]
    assert not done.is_set(), "it did not wait"
    return done


def test_a_fork_waits_until_the_last_transaction_has_left(gate: ForkGate) -> None:
    with gate:
        with gate:
            forked = waits(gate, lambda: gate.close(3 * PATIENCE))
        assert not forked.is_set()
    assert forked.wait(PATIENCE)


def test_no_transaction_enters_until_the_fork_is_over(gate: ForkGate) -> None:
    entered = threading.Event()

    def enter() -> None:
        with gate:
            entered.set()

    gate.close(3 * PATIENCE)
    left = waits(gate, enter)
    assert not entered.is_set()
    gate.open()
    assert left.wait(PATIENCE)
    assert entered.is_set()


def test_a_fork_waits_for_nobody_where_nobody_is_and_no_longer_than_it_says(gate: ForkGate) -> None:
    begin = time.monotonic()
    gate.close(3 * PATIENCE)
    gate.open()
    with pytest.raises(KeyError), gate:
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
    added = waits(store._database._gate, lambda: submit(store, [1]))
    store.after_fork_in_parent()
    assert added.wait(PATIENCE)
    assert [one.id_count for one in store.ingestions()] == [1]
