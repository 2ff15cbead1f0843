"""What the queue has no room or no time for is refused, with the second at which it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.host import Host
from tests.support.queueing import claimed, finish

Serve = Callable[..., Host]


def ingest(host: Host, ids: int, priority: str = "MEDIUM", **more: Any) -> TestResponse:
    return host.client.post("/ingest", json={"ids": list(range(1, ids + 1)), "priority": priority, **more})


def drain(host: Host) -> None:
    """Claim and finish whatever the limiter lets go now."""
    while isinstance(answer := host.store.claim(100), list):
        for batch in answer:
            finish(host.store, batch)


def advance(host: Host, seconds: float) -> None:
    """Let time pass with a worker that claims at every half second."""
    drain(host)
    for _ in range(round(seconds * 2)):
        host.clock.advance(0.5)
        drain(host)


def fits_exactly_after(host: Host, retry: Callable[[], TestResponse]) -> int:
    """The Retry-After of a refusal, once it is shown that half a second earlier would have been too early."""
    refused = retry()
    assert refused.status_code == 503
    assert refused.mimetype == "application/problem+json"
    seconds = int(refused.headers["Retry-After"])
    advance(host, seconds - 0.5)
    assert retry().status_code == 503
    advance(host, 0.5)
    assert retry().status_code == 200
    return seconds


class TestMaxPending:
    def test_a_full_queue_says_when_it_fits(self, serve: Serve) -> None:
        host = serve(max_pending=4, interval=3)
        assert ingest(host, 12).status_code == 200
        drain(host)
        refused = ingest(host, 6)
        assert refused.json["detail"] == (
            "3 batches are waiting, which takes 9.0 s, and at most 4 may; 2 more will fit in 3.0 s."
        )
        assert fits_exactly_after(host, lambda: ingest(host, 6)) == 3

    def test_what_needs_most_of_it_waits_longer(self, serve: Serve) -> None:
        host = serve(max_pending=4, interval=3)
        ingest(host, 12)
        drain(host)
        assert fits_exactly_after(host, lambda: ingest(host, 12)) == 9

    def test_even_the_most_urgent_has_to_wait(self, serve: Serve) -> None:
        host = serve(max_pending=1)
        ingest(host, 1, "LOW")
        drain(host)
        ingest(host, 1, "LOW")
        assert fits_exactly_after(host, lambda: ingest(host, 1, "HIGH")) == 5

    def test_what_never_fits_is_invalid(self, serve: Serve) -> None:
        response = ingest(serve(max_pending=2), 7)
        assert response.status_code == 422
        assert response.json["errors"] == [
            {"pointer": "#/ids", "detail": "ids makes 3 batches, but the queue never holds more than 2."}
        ]

    def test_the_cancelled_make_room(self, serve: Serve) -> None:
        host = serve(max_pending=2)
        first = ingest(host, 6).json["ingestion_id"]
        assert ingest(host, 1).status_code == 503
        assert host.client.post(f"/status/{first}/cancel").status_code == 200
        assert ingest(host, 6).status_code == 200

    def test_a_hold_counts(self, serve: Serve) -> None:
        host = serve(max_pending=1)
        ingest(host, 1)
        host.store.hold(90)
        assert fits_exactly_after(host, lambda: ingest(host, 1)) == 90


class TestMaxBacklogSeconds:
    def test_a_long_backlog_says_when_it_fits(self, serve: Serve) -> None:
        host = serve(max_backlog_seconds=10)
        assert ingest(host, 9).status_code == 200
        drain(host)
        refused = ingest(host, 3)
        assert refused.json["detail"] == (
            "With this the backlog would be 15.0 s long and at most 10 s is allowed; it will fit in 5.0 s."
        )
        assert fits_exactly_after(host, lambda: ingest(host, 3)) == 5

    def test_a_burst_shortens_it(self, serve: Serve) -> None:
        host = serve(max_backlog_seconds=10, burst=3)
        assert ingest(host, 15).status_code == 200
        assert ingest(host, 1).status_code == 503

    def test_what_never_fits_is_invalid(self, serve: Serve) -> None:
        response = ingest(serve(max_backlog_seconds=10), 12)
        assert response.status_code == 422
        assert response.json["errors"][0]["pointer"] == "#/ids"
        assert "takes at least 15.0 s to drain" in response.json["detail"]

    def test_without_a_limit_nothing_is_refused(self, serve: Serve) -> None:
        host = serve(interval=0, max_backlog_seconds=0.001)
        assert ingest(host, 3000).status_code == 200


class TestDeadline:
    @pytest.mark.parametrize(
        "deadline",
        [10, 10.0, "2027-01-15T08:00:10Z", "2027-01-15T09:00:10.000+01:00", "2027-01-15t08:00:10z", None],
    )
    def test_one_that_can_be_met_is_accepted(self, host: Host, deadline: Any) -> None:
        ingest(host, 3)
        drain(host)
        assert ingest(host, 6, deadline=deadline).status_code == 200

    @pytest.mark.parametrize(("what", "second"), [("", 422), ("?priority=LOW", 200)])
    def test_a_pause_counts_as_over_and_drops_nothing(self, host: Host, what: str, second: int) -> None:
        host.client.post(f"/queue/pause{what}")
        assert [ingest(host, 3, "LOW", deadline=1).status_code for _ in range(2)] == [200, second]
        host.clock.advance(60)
        host.client.post(f"/queue/resume{what}")
        assert claimed(host.store)

    @pytest.mark.parametrize("deadline", [9.999, "2027-01-15T08:00:09.999Z", "2027-01-14T23:00:00-01:00"])
    def test_one_that_cannot_says_when_at_the_earliest(self, host: Host, deadline: Any) -> None:
        ingest(host, 3)
        drain(host)
        response = ingest(host, 6, deadline=deadline)
        assert response.status_code == 422
        assert response.mimetype == "application/problem+json"
        assert response.json["earliest"] == "2027-01-15T08:00:10.000Z"
        assert "The deadline cannot be met" in response.json["detail"]
        assert ingest(host, 6, deadline=response.json["earliest"]).status_code == 200

    def test_a_more_urgent_one_can_be_met(self, host: Host) -> None:
        ingest(host, 30, "MEDIUM")
        assert ingest(host, 3, "LOW", deadline=20).status_code == 422
        assert ingest(host, 3, "HIGH", deadline=20).status_code == 200


def test_what_ended_is_forgotten_after_the_retention(serve: Serve) -> None:
    host = serve(retention=60)
    ingestion_id = ingest(host, 3).json["ingestion_id"]
    host.clock.advance(3600)
    assert host.client.get(f"/status/{ingestion_id}").status_code == 200
    drain(host)
    host.clock.advance(59.5)
    assert host.client.get(f"/status/{ingestion_id}").json["status"] == "completed"
    host.clock.advance(0.5)
    for path in ("status", "results"):
        assert host.client.get(f"/{path}/{ingestion_id}").status_code == 404
    for control in ("cancel", "redrive"):
        assert host.client.post(f"/status/{ingestion_id}/{control}").status_code == 404
    assert host.client.get("/ingestions").json["ingestions"] == []
