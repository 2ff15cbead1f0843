"""Four gunicorn workers on one SQLite file: one rate, and every status from every process."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from app.cli.verify import verify
from app.sql.store import SQLStore
from tests.fault import recorder
from tests.support.command import Command
from tests.support.queueing import settings

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs fork")]

INTERVAL = 0.02


def call(port: int, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("preload", [False, True])
def test_four_workers_keep_one_rate_and_answer_every_status(tmp_path: Path, preload: bool) -> None:
    pytest.importorskip("gunicorn")
    chosen = {"store": f"sqlite:///{tmp_path}/ingest.db", "interval": INTERVAL, "store_poll": 0.1}
    environ = {f"INGEST_{name.upper()}": str(value) for name, value in chosen.items()} | {
        "INGEST_PROCESSOR": "tests.fault.recorder:record",
        "RECORDER_LOG": str(tmp_path / "calls"),
        "HOME": str(tmp_path),
    }
    arguments = ["-m", "gunicorn", "--workers", "4", "--bind", "127.0.0.1:0", *["--preload"] * preload, "wsgi:app"]
    with Command(*arguments, environ=environ) as arbiter:
        port = int(arbiter.wait_for("Listening at").partition(" (")[0].rpartition(":")[2])
        accepted = [
            call(port, "POST", "/ingest", {"ids": list(range(first, first + 5)), "priority": "HIGH"})["ingestion_id"]
            for first in range(1, 101, 5)
        ]
        statuses: set[str] = set()
        for _ in range(1000):
            # Each over a new connection, so that all four processes are reached.
            statuses = {call(port, "GET", f"/status/{one}")["status"] for one in accepted}
            if statuses == {"completed"}:
                break
            threading.Event().wait(0.02)
        assert statuses == {"completed"}
        arbiter.signal(signal.SIGTERM)
        assert arbiter.end() == 0
    store = SQLStore(settings(**chosen))
    dispatches = store.dispatches(1000)
    store.close()
    assert len(dispatches) == 40
    assert verify(dispatches, interval=INTERVAL) == []
    assert sorted(one for _, ids in recorder.read(tmp_path / "calls") for one in ids) == list(range(1, 101))
