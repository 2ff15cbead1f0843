"""What is told while the store can be read and takes no changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.cli.display import status_text
from app.cli.queue_text import queue_text
from app.cli.times import Times
from app.dashboard.alerts import alerts
from app.errors import StoreUnavailable
from app.sql.store import SQLStore
from tests.support.clock import START
from tests.support.host import Host, eventually
from tests.support.queueing import worked_elsewhere
from tests.support.unwritable import unwritable
from tests.support.working import Gate, echo

Serve = Callable[..., Host]


def told(host: Host) -> tuple[Any, ...]:
    queue = host.client.get("/queue").json
    scraped = host.client.get("/metrics").text
    alerts = [one["title"] for one in host.client.get("/dashboard/data").json["alerts"]]
    return queue["stalled"], queue["waiting_on"], "ingestion_store_up" + '{queue="ingest"} 1.0' in scraped, alerts


@pytest.fixture
def host(serve: Serve, tmp_path: Path) -> Host:
    host = serve(echo, store=f"sqlite:///{tmp_path}/queue.db", interval=60, autostart=True)
    host.submit([1, 2, 3, 4])
    host.heard.until("completed")
    eventually(lambda: not host.store.stats().running)
    return host


def test_everybody_who_asks_is_told(host: Host) -> None:
    assert told(host) == (False, "token", True, [])
    assert host.client.get("/readyz").status_code == 200
    with unwritable(cast(SQLStore, host.store)):
        assert host.client.post("/ingest", json={"ids": [5], "priority": "LOW"}).status_code == 503
        assert told(host) == (True, "store", False, ["The store takes no changes"])
        ready = host.client.get("/readyz")
        assert (ready.status_code, "read-only" in ready.json["detail"]) == (503, True)
        assert host.client.get("/livez").status_code == 200
        (one,) = host.client.get("/ingestions").json["ingestions"]
        assert host.client.get(f"/status/{one['ingestion_id']}").status_code == 200
    host.advance(60)
    host.heard.until_finished(one["ingestion_id"])
    assert told(host) == (False, "empty", True, [])
    assert host.client.get("/readyz").status_code == 200


def test_others_may_still_dispatch(host: Host) -> None:
    worked_elsewhere(host.store)
    with unwritable(cast(SQLStore, host.store)):
        assert host.client.post("/ingest", json={"ids": [5], "priority": "LOW"}).status_code == 503
        assert told(host) == (False, "token", False, ["The store takes no changes"])
        assert host.client.get("/readyz").status_code == 503


def test_so_it_is_where_a_batch_runs_whose_end_cannot_be_written(serve: Serve, tmp_path: Path) -> None:
    gate = Gate()
    host = serve(gate, store=f"sqlite:///{tmp_path}/queue.db", interval=0, concurrency=1, autostart=True)
    host.submit([1])
    host.submit([2])
    gate.wait_for_a_call()
    with unwritable(cast(SQLStore, host.store)):
        assert host.client.post("/ingest", json={"ids": [5], "priority": "LOW"}).status_code == 503
        assert host.client.get("/queue").json["running"] == 1
        assert told(host) == (True, "store", False, ["The store takes no changes"])
    gate.opened.set()


def test_a_process_that_does_not_work_finds_out_that_it_is_over(serve: Serve, tmp_path: Path) -> None:
    host = serve(echo, store=f"sqlite:///{tmp_path}/queue.db", interval=60, autostart=False)
    worked_elsewhere(host.store)
    with unwritable(cast(SQLStore, host.store)):
        assert host.client.post("/ingest", json={"ids": [5], "priority": "LOW"}).status_code == 503
        assert told(host) == (False, "empty", False, ["The store takes no changes"])
    assert told(host) == (False, "empty", True, [])


def test_what_ends_while_the_dashboard_looks_is_told_once_more(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, tmp_path: Path
) -> None:
    host = serve(echo, store=f"sqlite:///{tmp_path}/queue.db", autostart=False)
    found = iter([StoreUnavailable("The disk is full."), None])
    stats = host.service.stats()
    monkeypatch.setattr(SQLStore, "trouble", property(lambda _: next(found)))
    first, *_ = alerts(host.service, stats)
    assert first["detail"].startswith("The disk is full. Until that ends")


def test_the_command_line_says_so(host: Host) -> None:
    waiting = host.submit([6])
    with unwritable(cast(SQLStore, host.store)):
        host.client.post("/ingest", json={"ids": [5], "priority": "LOW"})
        queue, status = (host.client.get(path).json for path in ("/queue", f"/status/{waiting.id}"))
    text = queue_text(queue, Times(START))
    assert "the store, which takes no changes" in text
    assert "when it does" in text
    assert "no other is there" not in text
    text = status_text(status, Times(START), queue)
    assert "the store, which takes no changes" in text
    assert "none is there" not in text
