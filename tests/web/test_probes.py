"""The app of a process that runs batches and answers nothing but probes and scrapes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from app.config import Settings
from app.web import make_probes
from tests.support.host import Host


def test_metrics_need_a_key_where_there_are_keys_and_probes_need_none(serve: Callable[..., Host]) -> None:
    host = serve(api_keys=f"prometheus:read:{hashlib.sha256(b'secret').hexdigest()}")
    host.service.start()
    client = make_probes(host.service, Settings(host="0.0.0.0")).test_client()
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    assert client.get("/metrics").status_code == 401
    scraped = client.get("/metrics", headers={"Authorization": "Bearer secret"})
    assert 'ingestion_worker_up{queue="ingest"} 1.0' in scraped.text
    assert scraped.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/metrics?since=1", headers={"Authorization": "Bearer secret"}).status_code == 422


def test_nothing_else_is_answered(serve: Callable[..., Host]) -> None:
    client = make_probes(serve().service, Settings()).test_client()
    answer = client.post("/ingest", json={"ids": [1], "priority": "HIGH"})
    assert answer.status_code == 404
    assert "/livez, /readyz and /metrics" in answer.text
    assert client.post("/livez").status_code == 405


def test_a_page_that_rebinds_its_name_reads_no_metrics(serve: Callable[..., Host]) -> None:
    client = make_probes(serve().service, Settings()).test_client()
    assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/readyz", headers={"Host": "10.1.2.3"}).status_code == 200


def test_it_says_when_the_process_stops(serve: Callable[..., Host]) -> None:
    host = serve()
    client = make_probes(host.service, Settings()).test_client()
    host.service.begin_shutdown()
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
