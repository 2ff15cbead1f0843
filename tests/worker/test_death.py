"""What shows, and what is left, when the worker's thread dies."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.core.models import Counts, Status
from tests.support.host import BOUND, Host, eventually
from tests.support.working import Gate, batch_threads, echo, traceback_of

Serve = Callable[..., Host]


def test_the_probes_and_the_log_say_so(troubled: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = troubled(echo)
    host.submit([1])
    host.heard.until("finished")
    host.store.fail(ZeroDivisionError("a planted bug"), "claim")
    host.submit([2])
    eventually(lambda: host.service.worker.state == "dead")
    for path in ("/livez", "/readyz"):
        response = host.client.get(path)
        assert response.status_code == 503
        assert response.mimetype == "application/problem+json"
        assert response.json["detail"] == "The worker is dead."
    assert traceback_of(caplog.records, "the worker of 'ingest' died") == ["a planted bug"]
    assert host.client.post("/ingest", json={"ids": [1], "priority": "HIGH"}).status_code == 200
    assert host.client.get("/queue").json["worker"] == "dead"
    assert traceback_of(caplog.records, "the worker of 'ingest' died") == ["a planted bug"]


def test_nothing_is_dispatched_any_more(troubled: Serve, gate: Gate) -> None:
    host = troubled(gate, interval=0, concurrency=1, lease=60)
    ingestion = host.submit(range(1, 6))
    gate.wait_for_a_call()
    host.store.fail(ZeroDivisionError("a planted bug"), "renew")
    host.advance(20)
    eventually(lambda: host.service.worker.state == "dead")
    gate.opened.set()
    eventually(lambda: not batch_threads(host))
    assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)


def test_it_can_be_started_again(troubled: Serve) -> None:
    host = troubled(echo, interval=0)
    host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
    ingestion = host.submit([1])
    eventually(lambda: host.service.worker.state == "dead")
    host.ingestion.stop(0)
    assert host.service.worker.state == "off"
    host.ingestion.start()
    assert host.finished(ingestion.id).status == Status.COMPLETED
    assert host.client.get("/readyz").status_code == 200
    host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
    ingestion = host.submit([1])
    eventually(lambda: host.service.worker.state == "dead")
    host.ingestion.start()
    assert host.finished(ingestion.id).status == Status.COMPLETED


def test_a_start_while_it_dies_is_not_lost(troubled: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    host = troubled(echo, interval=0)
    leaving, go_on, leave = threading.Event(), threading.Event(), host.store.leave

    def slowly(worker_id: str) -> None:
        leaving.set()
        assert go_on.wait(BOUND)
        leave(worker_id)

    monkeypatch.setattr(host.store, "leave", slowly)
    host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
    ingestion = host.submit([1])
    assert leaving.wait(BOUND)
    assert host.service.worker.state == "dead"
    host.ingestion.start()
    assert host.finished(ingestion.id).status == Status.COMPLETED
    go_on.set()
