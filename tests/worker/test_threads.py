"""Threads that end, hang, cannot be started or come too late."""

from __future__ import annotations

import _thread
import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import (
    PermanentError,
    batch_failed,
)
from app.core.clock import SystemClock
from app.core.models import LOST, Counts, Status
from tests.support.clock import Waits
from tests.support.host import BOUND, Host, eventually
from tests.support.queueing import claimed, worked_elsewhere
from tests.support.upstream import Exchange, Upstream
from tests.support.working import Gate, batch_threads, echo, traceback_of

Serve = Callable[..., Host]


def raise_system_exit() -> None:
    raise SystemExit(3)


def raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def raise_from_outside() -> None:
    ident = ctypes.c_ulong(threading.get_ident())
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
    for _ in range(10**7):
        pass


def recurse() -> None:
    recurse()


@pytest.mark.parametrize(
    "kill", [raise_system_exit, raise_keyboard_interrupt, _thread.exit, raise_from_outside, recurse]
)
def test_a_processor_that_ends_its_thread_only_fails_its_batch(serve: Serve, kill: Any) -> None:
    def processor(ids: Sequence[int]) -> None:
        if 1 in ids:
            kill()

    host = serve(processor, interval=0, backoff=0, max_attempts=2, concurrency=1)
    ingestion = host.finished(host.submit(range(1, 6)).id)
    assert ingestion.counts == Counts(completed=1, failed=1)
    assert host.finished(host.submit([7]).id).status == Status.COMPLETED
    assert host.service.worker.state == "running"


def test_a_processor_that_hangs_is_given_up(serve: Serve, gate: Gate) -> None:
    gate.held = {1}
    clock = Waits("ingest-worker")
    host = serve(gate, clock=clock, interval=0, concurrency=1, max_attempts=1, process_timeout=300, lease=10_000)
    ingestion = host.submit([1])
    other = host.submit([2])
    gate.wait_for_a_call()
    host.advance(299.5)
    eventually(lambda: clock.latest == (False, 0.5))
    assert not host.heard.all("failed")
    host.advance(0.5)
    assert host.finished(ingestion.id).status == Status.FAILED
    assert host.error(ingestion.id) == ("TimeoutError", "the processor did not return within 300 s")
    assert host.finished(other.id).status == Status.COMPLETED
    gate.opened.set()
    eventually(lambda: not batch_threads(host))
    assert host.ingestion.get(ingestion.id).status == Status.FAILED
    assert list(host.ingestion.results(ingestion.id)) == []


def test_what_waits_for_its_slot_was_limited_by_slots(serve: Serve, gate: Gate) -> None:
    host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
    host.submit([1])
    gate.wait_for_a_call()
    eventually(lambda: host.service.worker._waiting_on == "slots")
    host.submit([2])
    host.advance(60)
    gate.wait_for_a_call()
    assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]


def test_so_was_what_waits_for_a_connection(serve: Serve, gate: Gate) -> None:
    more = {"upstream_connections": 1, "max_attempts": 1, "process_timeout": 60, "lease": 10_000}
    host = serve(gate, interval=0, concurrency=2, **more)
    host.submit([1, 2, 3, 4])
    gate.wait_for_a_call()
    eventually(lambda: host.service.worker._waiting_on == "connections")
    host.advance(60)
    gate.wait_for_a_call()
    assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]


@pytest.mark.parametrize("heard", [True, False])
def test_what_waits_for_the_only_slot_was_limited_by_slots(serve: Serve, gate: Gate, heard: bool) -> None:
    host = serve(gate, interval=0, concurrency=1)
    if not heard:
        host.heard.stop_listening()
    host.submit([1])
    gate.wait_for_a_call()
    host.submit([2])
    gate.opened.set()
    gate.wait_for_a_call()
    assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]


def test_a_receiver_that_hangs_after_a_time_out_holds_up_no_start(serve: Serve, gate: Gate) -> None:
    gate.held, released, reached = {1}, threading.Event(), threading.Event()

    def receiver(*_: Any, **__: Any) -> None:
        reached.set()
        released.wait(BOUND)

    host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
    with batch_failed.connected_to(receiver, sender=host.app):
        host.submit([1])
        gate.wait_for_a_call()
        host.advance(60)
        assert reached.wait(BOUND)
        later = host.submit([2])
        eventually(lambda: host.ingestion.get(later.id).status == Status.COMPLETED)
        assert not released.is_set()
        released.set()
        host.heard.until("failed")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_a_receiver_that_raises_after_a_time_out_does_not_end_the_worker(
    serve: Serve, gate: Gate, error: type[BaseException]
) -> None:
    gate.held, raised = {1}, threading.Event()

    def receiver(*_: Any, **__: Any) -> None:
        raised.set()
        raise error("on purpose")

    host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
    with batch_failed.connected_to(receiver, sender=host.app):
        host.submit([1])
        gate.wait_for_a_call()
        host.advance(60)
        assert raised.wait(BOUND)
        later = host.submit([2])
        eventually(lambda: host.ingestion.get(later.id).status == Status.COMPLETED)
    assert host.service.worker.state == "running"


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_whose_text_cannot_be_had_fails_its_batch(serve: Serve, trouble: type[BaseException]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise trouble("no text")

    def processor(_: Sequence[int]) -> None:
        raise Mute

    host = serve(processor, max_attempts=1)
    ingestion = host.finished(host.submit([1]).id)
    assert ingestion.status == Status.FAILED
    assert host.error(ingestion.id) == ("Mute", f"its message cannot be had: {trouble.__name__}")


def test_with_too_many_hung_threads_it_is_stuck_until_one_ends(
    serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
    for number in range(1, 11):
        assert host.service.worker.state == "running"
        assert host.client.get("/livez").status_code == 200
        host.submit([number])
        gate.wait_for_a_call()
        host.advance(60)
        host.heard.until("failed", number)
    later = host.submit([11])
    assert host.service.worker.abandoned == 10
    assert host.service.worker.state == "stuck"
    eventually(lambda: "'ingest' waits on: abandoned threads" in caplog.text)
    for path in ("/livez", "/readyz"):
        answer = host.client.get(path)
        assert (answer.status_code, answer.json and answer.json["detail"]) == (503, "The worker is stuck.")
    assert 'ingestion_abandoned_threads{queue="ingest"} 10.0' in host.client.get("/metrics").text
    shown = host.client.get("/dashboard/data").json or {}
    assert [alert["title"] for alert in shown["alerts"]] == ["The worker is stuck"]
    assert (shown["stalled"], shown["next_dispatch_at"]) == (True, None)
    queue = host.client.get("/queue").json or {}
    assert (queue["stalled"], queue["waiting_on"], queue["waiting"]) == (True, "worker", 1)
    worked_elsewhere(host.store)
    shown = host.client.get("/dashboard/data").json or {}
    assert not shown["stalled"]
    assert shown["alerts"][0]["detail"].endswith("restart it. Others dispatch.")
    gate.opened.set()
    assert host.finished(later.id).status == Status.COMPLETED
    eventually(lambda: host.service.worker.abandoned == 0)
    assert host.service.worker.state == "running"


@pytest.mark.realtime
def test_an_upstream_that_drips_headers_leaves_no_thread_behind(serve: Serve) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while exchange.hang(0.01):
            exchange.wfile.write(b"x")
            exchange.wfile.flush()

    with Upstream(drip) as upstream:
        settings: dict[str, Any] = {"interval": 0, "concurrency": 1, "max_attempts": 1, "batch_size": 1}
        url = upstream.url + "/{ids}"
        host = serve(clock=SystemClock(), process_timeout=0.1, upstream_url=url, **settings)
        host.finished(host.submit(range(1, 13)).id)
        eventually(lambda: host.service.worker.abandoned == 0)
        assert host.service.worker.state == "running"


def test_a_hung_attempt_that_ends_later_does_not_end_the_next(serve: Serve, gate: Gate) -> None:
    second = Gate()
    gates = [gate, second]
    more = {"max_attempts": 1, "process_timeout": 60, "lease": 10_000}
    host = serve(lambda ids: gates.pop(0)(ids), name="hung", interval=0, **more)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    host.advance(60)
    host.finished(ingestion.id)
    host.ingestion.redrive(ingestion.id)
    second.wait_for_a_call()
    gate.error = PermanentError("too late")
    gate.opened.set()
    eventually(lambda: len(batch_threads(host)) == 1)
    assert host.ingestion.get(ingestion.id).status == Status.TRIGGERED
    second.opened.set()
    eventually(lambda: host.ingestion.get(ingestion.id).finished_at is not None)
    assert host.ingestion.get(ingestion.id).status == Status.COMPLETED
    host.ingestion.stop(0)
    eventually(lambda: "hung-announcer" not in {one.name for one in threading.enumerate()})


def test_a_thread_that_cannot_be_started_costs_no_attempt(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = refuse_threads(monkeypatch, "ingest-batch", times=1)
    host = serve(echo, interval=0)
    ingestion = host.submit([1])
    assert refused.wait(BOUND)
    eventually(lambda: host.store.stats().waiting_on == "hold")
    assert "no thread could be started" in caplog.text
    host.advance(1)
    assert host.finished(ingestion.id).status == Status.COMPLETED
    assert host.service.store.batches(ingestion.id)[1][0].attempt == 1


def test_a_worker_that_cannot_be_started_is_started_with_the_next_request(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_threads(monkeypatch, "ingest-worker", times=2)
    host = serve()
    with pytest.raises(RuntimeError):
        host.ingestion.start()
    assert host.service.worker.state == "off"
    ingestion = host.submit([1])
    assert "could not be started" in caplog.text
    assert host.client.get("/readyz").json["worker"] == "running"
    assert host.finished(ingestion.id).status == Status.COMPLETED


def test_a_batch_thread_that_dies_leaves_its_batch_to_the_lease(
    troubled: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    host = troubled(echo, interval=0, lease=60)
    host.store.fail(ZeroDivisionError("a bug"), "ack", times=1)
    ingestion = host.submit([1])
    eventually(lambda: traceback_of(caplog.records, "a batch thread of 'ingest' died") == ["a bug"])
    eventually(lambda: host.service.worker.running == 0)
    host.advance(60)
    assert host.finished(ingestion.id).status == Status.COMPLETED
    assert host.service.store.batches(ingestion.id)[1][0].attempt == 2
    [lost] = host.heard.all("retried")
    assert (lost["error"], lost["delay"], lost["batch"].attempt) == (LOST, 0, 1)
    assert lost["attempt"] == (60, 0)


def test_an_attempt_that_fails_after_its_ingestion_was_cancelled_is_not_retried(serve: Serve, gate: Gate) -> None:
    gate.error = RuntimeError("too late")
    host = serve(gate, interval=0)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    host.ingestion.cancel(ingestion.id)
    gate.opened.set()
    assert host.finished(ingestion.id).status == Status.CANCELLED
    assert host.heard.all("retried") == []


def test_a_batch_lost_at_its_last_attempt_is_told_of(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = serve(echo, interval=0, lease=60, max_attempts=1, autostart=False)
    ingestion = host.submit([7, 8])
    claimed(host.store)  # By a process that then disappears.
    host.ingestion.start()
    host.advance(60)
    assert host.finished(ingestion.id).status == Status.FAILED
    [lost] = host.heard.all("failed")
    assert (lost["error"], lost["batch"].ids, lost["batch"].status) == (LOST, [7, 8], Status.FAILED)
    assert "is lost: the worker did not report back in time" in caplog.text


def refuse_threads(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> threading.Event:
    """Make a number of starts of a thread of this name fail; the event is set with the last."""
    start, left, last = threading.Thread.start, [times], threading.Event()

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name and left[0]:
            left[0] -= 1
            if not left[0]:
                last.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return last
