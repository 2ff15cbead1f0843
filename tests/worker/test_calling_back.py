"""No lock is held while a processor or a receiver runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import (
    HoldQueue,
    batch_completed,
    ingestion_accepted,
    ingestion_finished,
    queue_held,
)
from app.core.models import Status
from tests.support.host import BOUND, Host, eventually
from tests.support.working import Gate, echo

Serve = Callable[..., Host]


def test_a_processor_may_use_every_control(serve: Serve) -> None:
    def processor(ids: Sequence[int]) -> None:
        if 1 in ids:
            use_every_control(host)

    host = serve(processor, interval=0, max_attempts=1)
    ingestion = host.finished(host.submit([1]).id)
    assert host.error(ingestion.id) is None


def test_so_may_a_receiver(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = serve(echo, interval=0)
    called = threading.Event()

    def receiver(_: Any, batch: Any, **__: Any) -> None:
        if 1 in batch.ids:
            use_every_control(host)
            called.set()

    with batch_completed.connected_to(receiver, sender=host.app):
        host.finished(host.submit([1]).id)
    assert called.is_set(), caplog.text


@pytest.mark.parametrize("signal", [batch_completed, ingestion_finished], ids=lambda signal: signal.name)
def test_no_batch_that_has_started_waits_for_a_receiver(serve: Serve, gate: Gate, signal: Any) -> None:
    """A claim is a start for the rate, so the upstream must not be called much later."""
    held, go_on = threading.Event(), threading.Event()

    def receiver(_: Any, **__: Any) -> None:
        held.set()
        assert go_on.wait(BOUND)

    host = serve(gate, interval=0, concurrency=1)
    host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
    with signal.connected_to(receiver, sender=host.app):
        host.submit([1])
        gate.wait_for_a_call()
        host.submit([2])
        gate.opened.set()
        assert held.wait(BOUND)
        started = len(host.store.dispatches(10))
        for _ in range(started - 1):
            gate.wait_for_a_call()
        assert len(gate.calls) == started
        go_on.set()
        eventually(lambda: host.store.stats().running == 0 and len(gate.calls) == 2)


def test_a_hold_does_not_wait_for_its_receiver(serve: Serve) -> None:
    held, go_on = threading.Event(), threading.Event()

    def receiver(*_: Any, **__: Any) -> None:
        held.set()
        assert go_on.wait(BOUND)

    def processor(_: Sequence[int]) -> None:
        raise HoldQueue(30)

    host = serve(processor, interval=0)
    with queue_held.connected_to(receiver, sender=host.app):
        host.submit([1])
        assert held.wait(BOUND)
        assert host.store.stats().hold_until == host.clock.now() + 30
        go_on.set()


def test_what_is_accepted_is_told_before_the_worker_wakes_for_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    host = serve(echo, interval=0)

    def receiver(*_: Any, **__: Any) -> None:
        told.append("accepted")

    monkeypatch.setattr(host.service.worker, "added", lambda: told.append("woken"))
    with ingestion_accepted.connected_to(receiver, sender=host.app):
        host.submit([1])
    assert told == ["accepted", "woken"]


def test_an_observer_that_raises_changes_nothing(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = serve(echo, interval=0)
    host.service.emitter.observe(batch_completed, lambda **_: 1 / 0)
    assert host.finished(host.submit([1]).id).status == Status.COMPLETED
    assert host.heard.all("completed")
    assert "an observer of batch-completed raised" in caplog.text


def test_an_observer_that_stops_the_worker_has_nothing_run_after_it(serve: Serve) -> None:
    calls: list[Sequence[int]] = []
    host = serve(calls.append, interval=0, concurrency=1)

    host.heard.stop_listening()  # So that the thread continues with the batch that its ack claimed.
    host.service.emitter.observe(batch_completed, lambda **_: host.ingestion.stop())
    ingestion = host.submit(range(1, 10))
    eventually(lambda: host.service.worker.state == "off")
    assert calls == [[1, 2, 3]]
    assert host.store.stats().running == 0
    assert host.ingestion.get(ingestion.id).counts.completed == 1


def use_every_control(host: Host) -> None:
    host.ingestion.pause()
    other = host.submit([7, 8], "LOW", key="again")
    assert host.submit([7, 8], "LOW", key="again").id == other.id
    assert host.client.get(f"/status/{other.id}").status_code == 200
    assert host.client.get("/queue").json["paused"]
    assert host.client.post("/quote", json={"ids": [1], "priority": "LOW"}).status_code == 200
    assert host.ingestion.cancel(other.id).status == Status.CANCELLED
    host.ingestion.resume()
    assert list(host.ingestion.results(other.id)) == []
    assert host.client.get("/dispatches").status_code == 200
    assert host.client.get("/readyz").json["worker"] == "running"
    host.ingestion.start()
