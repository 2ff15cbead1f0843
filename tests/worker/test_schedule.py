"""When the worker starts what: order, rate, slots."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from app.core.models import Status
from app.errors import InvalidRequest
from tests.support.clock import START
from tests.support.host import BOUND, Host, eventually
from tests.support.working import Gate, batch_threads, echo

Serve = Callable[..., Host]


def test_the_default_schedule(serve: Serve) -> None:
    host = serve(echo)
    medium = host.submit([1, 2, 3, 4, 5], "MEDIUM")
    host.heard.until("completed", 1)
    host.advance(4)
    high = host.submit([6, 7, 8, 9], "HIGH")
    for number in (2, 3, 4):
        host.advance(START + 5 * (number - 1) - host.clock.now())
        host.heard.until("completed", number)
    starts = [(one["batch"].ids) for one in host.heard.all("started")]
    assert starts == [[1, 2, 3], [6, 7, 8], [9], [4, 5]]
    assert [one.started_at - START for one in host.store.dispatches(9)] == [0, 5, 10, 15]
    assert host.finished(medium.id).finished_at == START + 15
    assert host.finished(high.id).finished_at == START + 10


def test_the_first_start_waits_for_nothing_and_the_last_end_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="flask_ingestion"):
        host = serve(echo)
        ingestion = host.submit([1, 2, 3, 4])
        eventually(lambda: host.service.worker._waiting_on == "token")
        host.advance(5)
        host.finished(ingestion.id)
    assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "token"]
    assert f"ingestion {ingestion.id} ended: completed" in caplog.text
    assert f"of ingestion {ingestion.id}, attempt 1" in caplog.text
    of_batches = {getattr(record, "batch_id", "") for record in caplog.records} - {""}
    assert of_batches == {one["batch"].id for one in host.heard.all("started")}
    assert {getattr(record, "ingestion_id", ingestion.id) for record in caplog.records} == {ingestion.id}


def test_a_thread_whose_next_start_is_later_leaves(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = serve(echo)
    host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
    ingestion = host.submit([1, 2, 3, 4])
    eventually(lambda: host.ingestion.get(ingestion.id).counts.completed == 1 and not batch_threads(host))
    host.advance(5)
    eventually(lambda: host.ingestion.get(ingestion.id).status == Status.COMPLETED)
    assert "died" not in caplog.text


def test_slow_work_is_not_added_to_the_interval(serve: Serve, gate: Gate) -> None:
    host = serve(gate, concurrency=2)
    host.submit(range(1, 10))
    gate.wait_for_a_call()
    host.advance(5)
    gate.wait_for_a_call()
    host.advance(5)
    # Both slots are taken, so the third waits for one, then goes at once.
    assert host.store.stats().running == 2
    gate.held = {10}
    host.advance(2)
    gate.opened.set()
    host.heard.until("completed", 3)
    dispatches = host.store.dispatches(9)
    assert [one.started_at - START for one in dispatches] == [0, 5, 12]
    assert dispatches[2].limited_by == "slots"


def test_no_more_than_the_concurrency_at_once(serve: Serve) -> None:
    lock, now, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=BOUND)

    def processor(_: Sequence[int]) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        both.wait()
        with lock:
            now -= 1

    host = serve(processor, interval=0, concurrency=2, batch_size=1)
    assert host.finished(host.submit(range(1, 41)).id).status == Status.COMPLETED
    assert most == 2


def test_more_run_at_once_as_soon_as_they_may(serve: Serve, gate: Gate) -> None:
    host = serve(gate, interval=0, concurrency=1, concurrency_most=3, batch_size=1)
    host.submit(range(1, 10))
    gate.wait_for_a_call()
    host.service.change_concurrency({"concurrency": 3})
    for _ in range(2):
        gate.wait_for_a_call()
    assert host.store.stats().running == 3
    with pytest.raises(InvalidRequest, match="a whole number from 1 to 3, as CONCURRENCY_MOST allows"):
        host.service.change_concurrency({"concurrency": 4})
    host.service.change_concurrency({"concurrency": 2.0})
    assert host.store.audits(1)[0].after == {"concurrency": {"each": 2}}
    gate.opened.set()


def test_what_another_process_changed_is_followed_with_the_next_report(serve: Serve, gate: Gate) -> None:
    host = serve(gate, interval=0, concurrency=1, concurrency_most=2, batch_size=1, lease=30)
    host.submit(range(1, 10))
    gate.wait_for_a_call()
    host.store.change_concurrency(None, 2)
    host.advance(10)
    gate.wait_for_a_call()
    assert host.store.stats().running == 2
    gate.opened.set()
