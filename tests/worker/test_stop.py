"""Stopping: who waits for what, and what is put back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import (
    batch_failed,
    ingestion_finished,
)
from app.core.models import Counts, Status
from tests.support.clock import START, Waits
from tests.support.host import BOUND, Host, eventually
from tests.support.working import Gate, batch_threads, echo, in_a_thread, joined

Serve = Callable[..., Host]


def test_it_is_idempotent(serve: Serve) -> None:
    host = serve(echo)
    host.finished(host.submit([1]).id)
    for _ in range(3):
        host.ingestion.stop()
        assert host.service.worker.state == "off"
    host.submit([2])
    assert host.service.worker.state == "off"


def test_a_thread_that_would_go_on_claims_nothing_more(serve: Serve, gate: Gate) -> None:
    host = serve(gate, interval=0, concurrency=1)
    host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
    host.submit(range(1, 6))
    gate.wait_for_a_call()
    host.service.worker.stop_claiming()
    gate.opened.set()
    eventually(lambda: host.service.worker.state == "off")
    assert len(host.store.dispatches(9)) == 1


def test_one_that_was_cancelled_is_told_to_have_ended_when_a_stop_puts_it_back(serve: Serve, gate: Gate) -> None:
    host = serve(gate, interval=0)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    host.ingestion.cancel(ingestion.id)
    host.ingestion.stop(0)
    assert host.finished(ingestion.id).status == Status.CANCELLED


def test_a_start_while_it_waits_for_the_last_announcement_is_one(serve: Serve, gate: Gate) -> None:
    told, go_on = threading.Event(), threading.Event()

    def receiver(*_: Any, **__: Any) -> None:
        told.set()
        assert go_on.wait(BOUND)
        host.ingestion.start()

    host = serve(gate, interval=0, max_attempts=1, process_timeout=60, lease=10_000)
    with batch_failed.connected_to(receiver, sender=host.app):
        host.submit([1])
        gate.wait_for_a_call()
        host.advance(60)
        assert told.wait(BOUND)
        stopping = in_a_thread(lambda: host.ingestion.stop(0))
        eventually(lambda: host.service.worker.state == "off")
        go_on.set()
        joined(stopping)
    assert host.service.worker.state == "running"


def test_it_waits_for_the_last_announcement_of_a_worker_that_has_ended_by_itself(serve: Serve, gate: Gate) -> None:
    told, go_on = threading.Event(), threading.Event()

    def receiver(*_: Any, **__: Any) -> None:
        told.set()
        assert go_on.wait(BOUND)

    host = serve(gate, name="early", interval=0, max_attempts=1, process_timeout=60, lease=10_000)
    with batch_failed.connected_to(receiver, sender=host.app):
        host.submit([1])
        gate.wait_for_a_call()
        host.advance(60)
        assert told.wait(BOUND)
        host.service.begin_shutdown()
        eventually(lambda: host.service.worker.state == "off")
        stopping = in_a_thread(lambda: host.ingestion.stop(0))
        go_on.set()
        joined(stopping)
    eventually(lambda: "early-announcer" not in {one.name for one in threading.enumerate()})


def test_of_the_worker_alone_it_ends_its_thread(serve: Serve) -> None:
    host = serve(echo)
    host.finished(host.submit([1]).id)
    host.service.worker.stop(BOUND)
    assert host.service.worker.state == "off"


def test_while_the_store_does_not_answer_it_goes_on_stopping(troubled: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.worker._LAST_CALL", 0.01)
    host, asked, free = troubled(echo), threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        assert free.wait(BOUND)

    host.store.faults["claim"] = hang
    host.submit([1])
    assert asked.wait(BOUND)
    host.ingestion.stop(0)
    assert host.service.worker.state == "stopping"
    host.store.heal()
    free.set()
    eventually(lambda: host.service.worker.state == "off")


def test_from_inside_the_workers_own_thread_it_does_not_wait_for_itself(troubled: Serve) -> None:
    host = troubled(echo)
    host.store.faults["claim"] = lambda: host.ingestion.stop(BOUND)
    host.submit([1])
    eventually(lambda: host.service.worker.state == "off")
    assert host.heard.all("started") == []
    assert host.store.stats().running == 0


def test_before_a_start_it_stays_stopped(serve: Serve) -> None:
    host = serve()
    host.ingestion.stop()
    host.submit([1])
    assert host.service.worker.state == "off"
    host.ingestion.start()
    host.heard.until("finished")


@pytest.mark.parametrize("started", [1, 2])
def test_a_running_batch_may_end_within_the_grace(serve: Serve, gate: Gate, started: int) -> None:
    host = serve(gate, interval=0, concurrency=1)
    for _ in range(started - 1):
        host.ingestion.stop()
        host.ingestion.start()
    ingestion = host.submit(range(1, 6))
    gate.wait_for_a_call()
    stopping = in_a_thread(lambda: host.ingestion.stop(10))
    eventually(lambda: host.service.worker.state == "stopping")
    response = host.client.get("/readyz")
    assert (response.status_code, response.json["detail"]) == (503, "The worker is stopping.")
    assert host.client.get("/livez").status_code == 200
    gate.opened.set()
    joined(stopping)
    assert host.service.worker.state == "off"
    assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)


def test_one_that_does_not_is_put_back(serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    clock = Waits("stopping")
    host = serve(gate, clock=clock, interval=0)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    stopping = in_a_thread(lambda: host.ingestion.stop(10), "stopping")
    eventually(lambda: clock.latest == (False, 10))

    def over() -> bool:
        # Its thread is woken, and does not only look because time has passed.
        host.clock.advance_to(min(host.clock.now() + 0.5, START + 10))
        return not stopping.is_alive()

    eventually(over)
    assert host.clock.now() >= START + 10
    assert host.service.worker.state == "off"
    assert "did not end in time and is put back" in caplog.text
    batch = host.service.store.batches(ingestion.id)[1][0]
    assert (batch.status, batch.attempt) == (Status.TRIGGERED, 0)
    assert host.store.stats().running == 0


def test_all_that_do_not_are_put_back_some_in_a_step(serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.worker._SOME", 2)
    host = serve(gate, interval=0, concurrency=5)
    host.submit(range(1, 16))
    eventually(lambda: host.service.worker.running == 5)
    steps: list[int] = []
    end_together = host.store.end_together

    def counted(ended: Sequence[Any]) -> list[Any]:
        steps.append(len(ended))
        return end_together(ended)

    monkeypatch.setattr(host.store, "end_together", counted)
    host.ingestion.stop(0)
    assert steps == [2, 2, 1]
    assert host.store.stats().running == 0


def test_a_late_failure_does_not_disturb_the_next_start(serve: Serve, gate: Gate) -> None:
    second = Gate()
    gates = [gate, second]
    host = serve(lambda ids: gates.pop(0)(ids), interval=0)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    host.ingestion.stop(0)
    host.ingestion.start()
    second.wait_for_a_call()
    gate.error = OSError("too late")
    gate.opened.set()
    eventually(lambda: len(batch_threads(host)) == 1)
    second.opened.set()
    assert host.finished(ingestion.id).status == Status.COMPLETED
    assert len(host.store.dispatches(9)) == 2
    assert host.error(ingestion.id) is None


def test_from_inside_a_processor_it_does_not_wait_for_itself(serve: Serve) -> None:
    def processor(_: Sequence[int]) -> None:
        host.ingestion.stop()

    host = serve(processor, interval=0, concurrency=1)
    ingestion = host.submit(range(1, 6))
    host.heard.until("completed")
    eventually(lambda: host.service.worker.state == "off")
    assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)
    host.ingestion.start()
    host.heard.until("completed", 2)


def test_from_inside_a_receiver_too(serve: Serve) -> None:
    host = serve(echo, interval=0)

    def receiver(*_: Any, **__: Any) -> None:
        host.ingestion.stop()

    with ingestion_finished.connected_to(receiver, sender=host.app):
        host.submit([1])
        eventually(lambda: host.service.worker.state == "off")
    host.ingestion.start()
    host.submit([2])
    host.heard.until("finished", 2)


def test_a_start_right_after_one_from_inside_goes_on(serve: Serve) -> None:
    def processor(ids: Sequence[int]) -> None:
        if 1 in ids:
            host.ingestion.stop()
            host.ingestion.start()

    host = serve(processor, interval=0, concurrency=1)
    assert host.finished(host.submit(range(1, 6)).id).status == Status.COMPLETED
    assert host.service.worker.state == "running"


def test_a_wake_up_in_between_is_not_lost(serve: Serve) -> None:
    host = serve(echo, lease=9000)
    host.finished(host.submit([1]).id)
    worker = host.service.worker
    waited = threading.Event()

    class Wake(threading.Event):
        """It is asked to stop between the worker's last check and its wait."""

        stop: threading.Thread | None = None

        def clear(self) -> None:
            if self.stop is None:
                self.stop = in_a_thread(lambda: host.ingestion.stop(3600))
                eventually(self.is_set)
            super().clear()
            waited.set()

    wake = Wake()
    worker._wake, old = wake, worker._wake
    old.set()
    assert waited.wait(BOUND)
    assert wake.stop
    joined(wake.stop)
