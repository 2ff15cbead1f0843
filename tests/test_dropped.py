"""An app that is dropped takes its threads and its connections with it."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest
from flask import Flask

from app import IngestionAPI, create_app
from tests.support.host import eventually
from tests.support.sink import SECRET

APPS = 30


def threads_of(name: str) -> list[str]:
    gc.collect()
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def open_files(path: Path) -> int:
    gc.collect()
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += os.readlink(entry).startswith(str(path))
        except FileNotFoundError:
            continue  # the folder's own, closed by now
    return count


def test_thirty_leave_no_thread() -> None:
    def make() -> None:
        app = Flask("host")
        app.config["DROPPED_WEBHOOK_URL"] = "http://127.0.0.1:9/"
        app.config["DROPPED_WEBHOOK_SECRET"] = SECRET
        ingestion = IngestionAPI(app, name="dropped")
        ingestion.processor(lambda ids: [app.name] * len(ids))
        ingestion.submit([1], "HIGH")

    for _ in range(APPS):
        make()
    eventually(lambda: not threads_of("dropped"))


def test_one_under_testing_has_no_thread_at_all() -> None:
    before = set(threading.enumerate())
    app = create_app({"TESTING": True})
    assert app.test_client().post("/ingest", json={"ids": [1], "priority": "LOW"}).status_code == 200
    assert set(threading.enumerate()) <= before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_its_connections_are_closed_and_its_worker_is_listed_no_more(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/queue.db"

    def make() -> None:
        app = Flask("host")
        app.config["DROPPED_STORE"] = store
        ingestion = IngestionAPI(app, name="dropped")
        ingestion.processor(lambda _: None)
        ingestion.submit([1], "HIGH")
        eventually(ingestion.service.store.workers)
        assert open_files(tmp_path)

    for _ in range(3):
        make()
    eventually(lambda: not threads_of("dropped"))
    eventually(lambda: not open_files(tmp_path))
    app = Flask("host")
    app.config.update(DROPPED_STORE=store, TESTING=True)
    ingestion = IngestionAPI(app, name="dropped")
    assert ingestion.service.store.workers() == []
    ingestion.service.store.close()


def test_one_that_is_kept_goes_on_working() -> None:
    app = Flask("host")
    app.config["KEPT_INTERVAL"] = 0
    ran = threading.Event()
    ingestion = IngestionAPI(app, name="kept")
    ingestion.processor(lambda _: ran.set())
    service = app.extensions["kept"]
    del ingestion
    gc.collect()
    service.submit([1], "LOW")
    assert ran.wait(20)
    service.stop(20)
