"""FRESH through the API: what is said of ids that need no call, and how a submission insists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import Status
from tests.api.test_metrics import scrape, value
from tests.support.host import Host
from tests.support.sink import SECRET

Serve = Callable[..., Host]


class Upstream:
    """A processor that numbers its calls, and may fail."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.fails = False

    def __call__(self, ids: Sequence[int]) -> dict[int, Any]:
        self.calls.append(list(ids))
        if self.fails:
            raise OSError("not now")
        return {one: f"{one} by call {len(self.calls)}" for one in ids}


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def host(serve: Serve, upstream: Upstream) -> Host:
    return serve(upstream, fresh=60, interval=0, autostart=True)


def test_an_id_that_is_there_twice_is_asked_once(host: Host, upstream: Upstream) -> None:
    ingestion = host.finished(host.submit([1, 2, 1]).id)
    assert upstream.calls == [[1, 2]]
    lines = host.client.get(f"/results/{ingestion.id}").text.splitlines()
    assert [line[:7] for line in lines] == ['{"id":1', '{"id":2', '{"id":1']


def test_what_is_known_ends_with_the_request(host: Host, upstream: Upstream) -> None:
    host.finished(host.submit([1, 2]).id)
    answer = host.client.post("/ingest", json={"ids": [2, 1], "priority": "HIGH"})
    assert answer.status_code == 200
    ingestion_id = answer.json["ingestion_id"]
    status = host.client.get(f"/status/{ingestion_id}")
    assert (status.json["status"], status.json["served"], status.json["started_at"]) == ("completed", 2, None)
    assert "Retry-After" not in status.headers
    (batch,) = status.json["batches"]
    assert (batch["status"], batch.keys() & {"attempts", "started_at"}) == ("completed", set())
    assert batch["finished_at"] == status.json["finished_at"]
    lines = host.client.get(f"/results/{ingestion_id}?include=failed").text.splitlines()
    assert lines == ['{"id":2,"data":"2 by call 1"}', '{"id":1,"data":"1 by call 1"}']
    assert upstream.calls == [[1, 2]]
    assert len(host.client.get("/dispatches").json["dispatches"]) == 1
    again = host.client.get(f"/status/{ingestion_id}", headers={"If-None-Match": status.headers["ETag"]})
    assert again.status_code == 304
    listed = host.client.get("/ingestions").json["ingestions"]
    assert [one["served"] for one in listed] == [2, 0]


def test_its_signals_are_those_of_any_other(host: Host) -> None:
    host.finished(host.submit([1]).id)
    before = len(host.heard.events)
    ingestion = host.submit([1])
    told = host.heard.events[before:]
    assert [word for word, _ in told] == ["accepted", "completed", "finished"]
    batch, attempt = told[1][1]["batch"], told[1][1]["attempt"]
    assert (batch.ids, batch.status, batch.attempt, batch.started_at) == ([1], Status.COMPLETED, 0, None)
    assert attempt.duration == 0
    assert told[2][1]["ingestion"] == ingestion == host.ingestion.get(ingestion.id)


def test_its_receiver_is_told(serve: Serve, upstream: Upstream) -> None:
    host = serve(
        upstream, autostart=True, fresh=60, interval=0, webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET
    )
    host.finished(host.submit([1]).id)
    (callback,) = host.store.outbox.of(host.submit([1]).id)
    assert '"served":1' in callback.body


def test_what_waits_is_served_with_the_answer(serve: Serve, upstream: Upstream) -> None:
    host = serve(upstream, fresh=0, interval=5, autostart=True)
    some = [host.submit([1]) for _ in range(6)]
    assert [host.finished(one.id).status for one in some] == [Status.COMPLETED] * 6
    assert upstream.calls == [[1]]
    assert len(host.heard.until("completed", 6)) == 6
    assert host.clock.now() == host.store.stats().now


def test_a_submission_may_insist(host: Host, upstream: Upstream) -> None:
    host.finished(host.submit([1]).id)
    answer = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH", "fresh": 0})
    host.finished(answer.json["ingestion_id"])
    host.finished(host.submit([1], fresh=0).id)
    assert upstream.calls == [[1]] * 3
    host.finished(host.submit([1], fresh=60.0).id)
    host.finished(host.submit([1], fresh=None).id)
    assert len(upstream.calls) == 3


def test_its_key_tells_how_much_it_insists(host: Host) -> None:
    def send(**more: Any) -> int:
        body = {"ids": [1], "priority": "LOW", **more}
        return int(host.client.post("/ingest", json=body, headers={"Idempotency-Key": "once"}).status_code)

    assert [send(fresh=0), send(fresh=0), send(), send(fresh=1)] == [200, 200, 422, 422]


@pytest.mark.parametrize(
    ("fresh", "said"),
    [
        (61, "fresh must be a number of seconds from 0 to 60, not 61."),
        (-1, "fresh must be a number of seconds from 0 to 60, not -1."),
        (True, "fresh must be a number of seconds from 0 to 60, not true."),
        ("1", 'fresh must be a number of seconds from 0 to 60, not "1".'),
    ],
)
def test_what_is_no_such_number_is_named(host: Host, fresh: Any, said: str) -> None:
    answer = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH", "fresh": fresh})
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "#/fresh", "detail": said}]


def test_without_the_setting_it_is_refused_and_nothing_is_told(serve: Serve) -> None:
    host = serve(interval=0)
    answer = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH", "fresh": 0})
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"pointer": "#/fresh", "detail": "fresh is refused: FRESH, the setting that it may lower, is not set."}
    ]
    made = host.submit([1])
    assert "served" not in host.client.get(f"/status/{made.id}").json
    assert not any("served" in name for name in scrape(host))


def test_the_description_knows_it_where_it_may_be_sent(serve: Serve) -> None:
    def members(**chosen: Any) -> Any:
        document = serve(**chosen).client.get("/openapi.json").json
        return document["components"]["schemas"]["Submission"]["properties"]

    assert members(fresh=60)["fresh"]["maximum"] == 60
    assert "fresh" not in members()


def test_calls_that_were_spared_are_counted(host: Host) -> None:
    host.finished(host.submit([1, 2]).id)
    host.submit([1, 2])
    host.submit([2])
    host.finished(host.submit([3, 1]).id)
    assert value(host, "ingestion_served_ids_total") == 4
    assert value(host, "ingestion_served_batches_total") == 2
    assert value(host, "ingestion_batches_total", priority="MEDIUM", outcome="completed") == 4
    assert value(host, "ingestion_batch_duration_seconds_count", outcome="completed") == 2
