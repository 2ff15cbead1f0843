"""What a service that is about to end still does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.host import Host

BODY = {"ids": [1, 2, 3], "priority": "HIGH"}


def test_nothing_is_accepted_that_would_be_lost(host: Host) -> None:
    accepted = host.client.post("/ingest", json=BODY).get_json()["ingestion_id"]
    host.service.begin_shutdown()
    response = host.client.post("/ingest", json=BODY)
    assert response.status_code == 503
    assert "about to stop" in response.get_json()["detail"]
    assert int(response.headers["Retry-After"]) >= 1
    assert host.client.get(f"/status/{accepted}").status_code == 200
    assert len(host.client.get("/ingestions").get_json()["ingestions"]) == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_it_is_not_ready_any_more_but_alive(host: Host, stopped: bool) -> None:
    host.service.begin_shutdown()
    if stopped:
        host.service.stop(0)
    assert host.client.get("/readyz").status_code == 503
    assert host.client.get("/livez").status_code == 200


def test_a_durable_store_goes_on_accepting(serve: Callable[..., Host], tmp_path: Path) -> None:
    host = serve(store=f"sqlite:///{tmp_path}/queue.db")
    host.service.begin_shutdown()
    assert host.client.post("/ingest", json=BODY).status_code == 200
