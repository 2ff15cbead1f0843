"""The controls, and what there is to look at: queue, dispatches, listing, probes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from app.core.models import BatchError
from tests.support.clock import START
from tests.support.host import Host
from tests.support.queueing import blocked, bury, claimed, finish, retry, worked_elsewhere

Serve = Callable[..., Host]


def submit(host: Host, count: int, priority: str = "MEDIUM") -> str:
    return host.submit(range(1, count + 1), priority).id


class TestCancel:
    def test_what_has_not_started_never_does(self, host: Host) -> None:
        ingestion_id = submit(host, 9)
        running = claimed(host.store)[0]
        for _ in range(2):
            response = host.client.post(f"/status/{ingestion_id}/cancel")
            assert response.status_code == 200
            assert response.json["status"] == "triggered"
            assert response.json["counts"]["cancelled"] == 2
        host.clock.advance(5)
        assert blocked(host.store).reason == "empty"
        finish(host.store, running)
        document = host.client.get(f"/status/{ingestion_id}").json
        assert document["status"] == "cancelled"
        assert [batch["status"] for batch in document["batches"]] == ["completed", "cancelled", "cancelled"]
        assert host.client.post(f"/status/{ingestion_id}/cancel").status_code == 200
        assert host.client.post(f"/status/{ingestion_id}/cancel").json["batches"] == []
        # What a query says is for the page of batches, and nothing here has one.
        assert host.client.post(f"/status/{ingestion_id}/cancel?limit=1").status_code == 422

    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_a_finished_one_is_409(self, host: Host, outcome: str) -> None:
        ingestion_id = submit(host, 3)
        claim = claimed(host.store)[0]
        if outcome == "completed":
            finish(host.store, claim)
        else:
            bury(host.store, claim, BatchError("X", "y"))
        response = host.client.post(f"/status/{ingestion_id}/cancel")
        assert response.status_code == 409
        assert response.mimetype == "application/problem+json"
        assert response.json["detail"] == f"The ingestion is {outcome}; nothing is left to cancel."

    def test_the_others_move_up(self, host: Host) -> None:
        first, second = submit(host, 30), submit(host, 3)
        assert host.client.get(f"/status/{second}").json["batches_ahead"] == 10
        host.client.post(f"/status/{first}/cancel")
        document = host.client.get(f"/status/{second}").json
        assert document["batches_ahead"] == 0
        assert document["estimated_start"] == "2027-01-15T08:00:00.000Z"

    def test_its_end_is_signalled_once(self, host: Host) -> None:
        ingestion_id = submit(host, 9)
        for _ in range(3):
            host.client.post(f"/status/{ingestion_id}/cancel")
        assert [one["ingestion"].id for one in host.heard.all("finished")] == [ingestion_id]


class TestRedrive:
    def test_the_failed_batches_start_over(self, serve: Serve) -> None:
        host = serve(interval=0)
        ingestion_id = submit(host, 6)
        one, two = claimed(host.store, 2)
        finish(host.store, two)
        bury(host.store, one, BatchError("OSError", "down"))
        assert host.client.get(f"/status/{ingestion_id}").json["status"] == "failed"
        response = host.client.post(f"/status/{ingestion_id}/redrive")
        assert response.status_code == 200
        assert response.json["status"] == "triggered"
        assert response.json["finished_at"] is None
        again = claimed(host.store)[0]
        assert (again.batch.ids, again.batch.attempt) == ([1, 2, 3], 1)
        finish(host.store, again)
        document = host.client.get(f"/status/{ingestion_id}").json
        assert document["status"] == "completed"
        assert "error" not in document["batches"][0]

    def test_at_its_rank(self, serve: Serve) -> None:
        host = serve(interval=0)
        first = submit(host, 3)
        bury(host.store, claimed(host.store)[0], BatchError("X", "y"))
        submit(host, 3)
        host.client.post(f"/status/{first}/redrive")
        assert claimed(host.store)[0].batch.ingestion_id == first

    def test_where_nothing_failed_it_is_409(self, host: Host) -> None:
        ingestion_id = submit(host, 3)
        response = host.client.post(f"/status/{ingestion_id}/redrive")
        assert response.status_code == 409
        assert response.json["detail"] == "No batch of the ingestion failed; there is nothing to redrive."

    def test_a_cancelled_one_is_409(self, serve: Serve) -> None:
        host = serve(interval=0)
        ingestion_id = submit(host, 6)
        bury(host.store, claimed(host.store)[0], BatchError("X", "y"))
        host.client.post(f"/status/{ingestion_id}/cancel")
        response = host.client.post(f"/status/{ingestion_id}/redrive")
        assert response.status_code == 409
        assert "was cancelled" in response.json["detail"]


class TestPause:
    def test_nothing_goes_but_everything_is_accepted(self, host: Host) -> None:
        worked_elsewhere(host.store)
        ingestion_id = submit(host, 3)
        for _ in range(2):
            response = host.client.post("/queue/pause")
            assert response.status_code == 200
            assert (response.json["paused"], response.json["waiting_on"]) == (True, "paused")
        assert blocked(host.store).reason == "paused"
        assert host.client.post("/ingest", json={"ids": [1], "priority": "LOW"}).status_code == 200
        assert host.client.get(f"/status/{ingestion_id}").json["estimated_start"] is None
        for _ in range(2):
            response = host.client.post("/queue/resume")
            assert (response.json["paused"], response.json["waiting_on"]) == (False, None)
        assert claimed(host.store)[0].batch.ingestion_id == ingestion_id

    def test_the_worker_goes_on_when_told(self, serve: Serve) -> None:
        host = serve(lambda ids: list(ids), autostart=True)
        host.client.post("/queue/pause")
        ingestion_id = submit(host, 3)
        assert host.client.get("/queue").json["waiting_on"] == "paused"
        host.client.post("/queue/resume")
        assert host.finished(ingestion_id).status == "completed"


class TestQueue:
    @pytest.mark.parametrize("store", ["memory://", "sqlite:///{}"])
    def test_a_worker_that_left_a_batch_behind_starts_nothing(self, serve: Serve, tmp_path: Path, store: str) -> None:
        host = serve(store=store.format(tmp_path / "queue.db"), interval=0)
        host.app.testing = False  # where nothing is stalled, for a test runs it
        host.submit([1])
        host.submit([2])
        claimed(host.store)
        queue = host.client.get("/queue").json
        assert (queue["running"], queue["stalled"], queue["waiting_on"]) == (1, True, "worker")
        worked_elsewhere(host.store)
        assert not host.client.get("/queue").json["stalled"]

    def test_an_empty_one(self, host: Host) -> None:
        nothing = {"waiting": 0, "oldest_at": None, "drained_at": None, "paused": False, "parked": 0}
        assert host.client.get("/queue").json == {
            "now": "2027-01-15T08:00:00.000Z",
            "worker": "off",
            "waiting_on": "empty",
            "stalled": False,
            "paused": False,
            "hold_until": None,
            "tokens": 1,
            "next_token_at": "2027-01-15T08:00:00.000Z",
            "limits": [],
            "binding_limit": None,
            "slowed_to": None,
            "rate": {"interval": 5.0, "burst": 1, "limits": [], "changed": False, "rate_since": 0.0},
            "running": 0,
            "waiting": 0,
            "priorities": {"HIGH": nothing, "MEDIUM": nothing, "LOW": nothing},
            "service_seconds": 0.0,
            "estimate_error": None,
            "next": [],
            "workers": [],
            "callers": [],
            "paused_owners": [],
            "concurrency": {"each": 4, "some": {}, "changed": False, "most": 4},
        }

    def test_the_next_in_true_order(self, host: Host) -> None:
        low, high = submit(host, 5, "LOW"), submit(host, 4, "HIGH")
        document = host.client.get("/queue").json
        assert [(one["ingestion_id"], one["ids"], one["priority"]) for one in document["next"]] == [
            (high, [1, 2, 3], "HIGH"),
            (high, [4], "HIGH"),
            (low, [1, 2, 3], "LOW"),
            (low, [4, 5], "LOW"),
        ]
        assert [one["estimated_start"][17:22] for one in document["next"]] == ["00.00", "05.00", "10.00", "15.00"]
        assert document["priorities"]["LOW"] == {
            "waiting": 2,
            "oldest_at": "2027-01-15T08:00:00.000Z",
            "drained_at": "2027-01-15T08:00:15.000Z",
            "paused": False,
            "parked": 0,
        }
        assert document["waiting"] == 4
        taken = []
        for _ in range(4):
            taken.append(claimed(host.store)[0].batch.id)
            host.clock.advance(5)
        assert [one["batch_id"] for one in document["next"]] == taken

    def test_several_limits_and_which_binds(self, serve: Serve) -> None:
        host = serve(autostart=False, limits="2/10s burst 2, 5/min burst 5")
        submit(host, 30)
        assert host.client.get("/queue").json["binding_limit"] is None
        claimed(host.store, 2)
        document = host.client.get("/queue").json
        later = "2027-01-15T08:00:10.000Z"
        assert document["limits"] == [
            {"limit": "2/10s burst 2", "tokens": 0, "next_at": later},
            {"limit": "5/min burst 5", "tokens": 3, "next_at": document["now"]},
        ]
        assert (document["binding_limit"], document["next_token_at"]) == ("2/10s burst 2", later)
        assert host.client.get("/dispatches").json["limits"] == ["2/10s burst 2", "5/min burst 5"]
        assert 'ingestion_limit_tokens{limit="5/min burst 5",queue="ingest"} 3.0' in host.client.get("/metrics").text

    def test_ten_are_looked_ahead(self, host: Host) -> None:
        submit(host, 60)
        assert len(host.client.get("/queue").json["next"]) == 10

    def test_what_it_waits_on(self, serve: Serve) -> None:
        host = serve(concurrency=1)
        host.app.testing = False  # in a host's test nobody else works either

        def waiting_on() -> str | None:
            return host.client.get("/queue").json["waiting_on"]

        submit(host, 9)
        assert waiting_on() == "worker"
        worked_elsewhere(host.store, slots=1)
        assert waiting_on() is None
        claim = claimed(host.store)[0]
        assert waiting_on() == "slots"
        retry(host.store, claim, BatchError("X", "y"), 60)
        assert waiting_on() == "token"
        host.store.hold(30)
        assert waiting_on() == "hold"
        assert host.client.get("/queue").json["hold_until"] == "2027-01-15T08:00:30.000Z"
        for _ in range(2):
            host.clock.advance(30)
            finish(host.store, claimed(host.store)[0])
        # One waits for its next attempt, but it is due by now.
        host.clock.advance(5)
        worked_elsewhere(host.store, slots=1)
        assert waiting_on() is None
        retry(host.store, claimed(host.store)[0], BatchError("X", "y"), 60)
        assert waiting_on() == "retry"

    def test_how_far_off_its_estimates_were(self, serve: Serve) -> None:
        host = serve(batch_size=5, interval=5)
        submit(host, 5)
        claim = claimed(host.store)[0]
        host.clock.advance(2)
        finish(host.store, claim)
        assert host.client.get("/queue").json["estimate_error"] == {"ingestions": 1, "mean": 2.0, "p95": 2.0}
        assert host.client.get("/queue").json["service_seconds"] == 2.0


class TestDispatches:
    def test_each_start_with_what_it_waited_for(self, host: Host) -> None:
        ingestion_id = submit(host, 6)
        claim = claimed(host.store)[0]
        host.clock.advance(5)
        claimed(host.store)
        document = host.client.get("/dispatches").json
        assert (document["interval"], document["burst"]) == (5.0, 1)
        first, second = document["dispatches"]
        assert first == {
            "started_at": START,
            "due_at": START,
            "batch_id": claim.batch.id,
            "ingestion_id": ingestion_id,
            "position": 0,
            "attempt": 1,
            "priority": "MEDIUM",
            "rank": 2.0,
            "order": 1,
            "limited_by": "arrival",
            "owner": None,
            "wait": 0.0,
        }
        assert (second["started_at"], second["wait"], second["limited_by"]) == (START + 5, 5.0, "token")

    def test_the_latest_are_kept(self, serve: Serve) -> None:
        host = serve(dispatch_log=3, interval=0, batch_size=1)
        submit(host, 5)
        claimed(host.store, 5)

        def positions(query: str = "") -> list[int]:
            return [one["position"] for one in host.client.get(f"/dispatches{query}").json["dispatches"]]

        assert positions() == [2, 3, 4]
        assert positions("?limit=2") == [3, 4]
        assert positions("?limit=99") == [2, 3, 4]
        assert host.client.get("/dispatches?limit=0").status_code == 422


class TestListing:
    def ids(self, host: Host, query: str = "") -> list[str]:
        return [one["ingestion_id"] for one in host.client.get(f"/ingestions{query}").json["ingestions"]]

    def test_newest_first(self, host: Host) -> None:
        made = [submit(host, 1) for _ in range(3)]
        assert self.ids(host) == made[::-1]
        one = host.client.get("/ingestions").json["ingestions"][0]
        assert (one["status"], one["priority"], one["batch_count"]) == ("yet_to_start", "MEDIUM", 1)
        assert "batches" not in one

    def test_by_priority_and_status(self, serve: Serve) -> None:
        host = serve(interval=0)
        made = {priority: [submit(host, 1, priority) for _ in range(2)] for priority in ("HIGH", "LOW")}
        one, two = claimed(host.store, 2)
        finish(host.store, one)
        bury(host.store, two, BatchError("X", "y"))
        assert self.ids(host, "?priority=HIGH") == made["HIGH"][::-1]
        assert self.ids(host, "?status=completed") == made["HIGH"][:1]
        assert self.ids(host, "?status=failed&priority=HIGH") == made["HIGH"][1:]
        assert self.ids(host, "?status=failed&priority=LOW") == []
        assert self.ids(host, "?status=yet_to_start") == made["LOW"][::-1]

    def test_pages_neither_skip_nor_repeat_while_new_ones_arrive(self, host: Host) -> None:
        made = [submit(host, 1) for _ in range(25)]
        seen: list[str] = []
        cursor: Any = None
        while True:
            query = f"?limit=10{f'&cursor={cursor}' if cursor else ''}"
            page = host.client.get(f"/ingestions{query}").json
            seen += [one["ingestion_id"] for one in page["ingestions"]]
            submit(host, 1)
            if (cursor := page["next_cursor"]) is None:
                break
        assert seen == made[::-1]

    def test_fifty_are_a_page(self, host: Host) -> None:
        for _ in range(51):
            submit(host, 1)
        first = host.client.get("/ingestions").json
        assert len(first["ingestions"]) == 50
        last = host.client.get(f"/ingestions?cursor={first['next_cursor']}").json
        assert (len(last["ingestions"]), last["next_cursor"]) == (1, None)

    def test_a_time_bounds_when_they_were_submitted(self, host: Host) -> None:
        first = submit(host, 1)
        host.clock.advance(600)
        second = submit(host, 1)
        at = host.client.get(f"/status/{second}").json["created_at"]
        for query, wanted in (
            ("since=60", [second]),
            ("until=60", [first]),
            ("since=600", [second, first]),
            ("since=600&until=600", [first]),
            (f"since={at}", [second]),
            ("until=700", []),
        ):
            listed = host.client.get(f"/ingestions?{query}").json["ingestions"]
            assert [one["ingestion_id"] for one in listed] == wanted, query


class TestProbes:
    def test_a_worker_that_is_off_by_choice_is_no_trouble(self, host: Host) -> None:
        for path in ("/livez", "/readyz"):
            response = host.client.get(path)
            assert response.status_code == 200
            assert response.json == {"status": "ok", "worker": "off"}

    def test_one_that_runs(self, serve: Serve) -> None:
        host = serve(autostart=True)
        assert host.client.get("/readyz").json == {"status": "ok", "worker": "running"}


class TestStandalone:
    """`create_app`, where every error of the app is a problem document."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nothing", 404), ("GET", "/ingest", 405), ("DELETE", "/queue", 405), ("POST", "/ingest", 415)],
    )
    def test_even_what_no_route_answers(self, method: str, path: str, status: int) -> None:
        response = create_app({"INGEST_AUTOSTART": False}).test_client().open(path, method=method)
        assert response.status_code == status
        assert response.mimetype == "application/problem+json"
        assert response.json["status"] == status
        assert response.json["detail"]
        assert ("Allow" in response.headers) == (status == 405)

    def test_a_bug_shows_no_traceback(self) -> None:
        app = create_app({"INGEST_AUTOSTART": False})

        @app.get("/bug")
        def bug() -> str:
            raise ZeroDivisionError("secret")

        response = app.test_client().get("/bug")
        assert response.status_code == 500
        assert response.mimetype == "application/problem+json"
        assert "secret" not in response.text
        assert "Traceback" not in response.text
