"""The attempts at each batch, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from app.core import BatchError
from app.keys import Role
from tests.support.host import Host
from tests.support.queueing import claimed, finish, retry, worked_elsewhere
from tests.support.web import Callers, ingest, make_app, service_of

BOOM = BatchError("ValueError", "boom")


def test_each_attempt_is_told_with_the_estimate_made_at_submission(serve: Callable[..., Host]) -> None:
    host = serve(interval=0, attempts_kept=3)
    made = host.submit(range(1, 8)).id
    first, second = claimed(host.store, 2)
    retry(host.store, first, BOOM, 0.0)
    finish(host.store, second)
    claimed(host.store, 1)
    document = host.client.get(f"/attempts/{made[:8]}").json
    told = [(one["position"], one["attempt"], one["outcome"]) for one in document["attempts"]]
    assert told == [(0, 1, "retry"), (0, 2, None), (1, 1, "completed")]
    assert document["attempts"][0]["error"] == {"type": "ValueError", "message": "boom"}
    assert document["kept"] == 3
    assert document["estimated_at_submission"] is not None
    second_batch = document["attempts"][2]["batch_id"]
    assert host.client.get(f"/attempts/{second_batch}").json["attempts"] == document["attempts"][2:]
    assert host.client.get(f"/attempts/{made}?offset=1&limit=2").json["attempts"] == document["attempts"][2:]
    assert host.client.get(f"/attempts/{made}?limit=1").json["attempts"] == document["attempts"][:2]


def test_it_says_what_those_wait_for_that_have_yet_to_start(serve: Callable[..., Host]) -> None:
    host = serve(interval=5)
    host.app.testing = False
    made = host.submit(range(1, 7), "LOW").id

    def waiting_on() -> str | None:
        told: str | None = host.client.get(f"/attempts/{made}").json["waiting_on"]
        return told

    assert waiting_on() == "worker"
    worked_elsewhere(host.store)
    assert waiting_on() == "line"
    (first,) = claimed(host.store)
    assert waiting_on() == "token"
    host.client.post("/queue/pause?priority=LOW")
    assert waiting_on() == "paused_priority"
    host.client.post("/queue/resume?priority=LOW")
    host.store.hold(60)
    assert waiting_on() == "hold"
    host.clock.advance(60)
    finish(host.store, first)
    claimed(host.store)
    assert waiting_on() is None


def test_hosts_are_for_operators() -> None:
    callers = Callers(("one", Role.SUBMIT), ("two", Role.SUBMIT), ("operator", Role.OPERATE))
    app = make_app(api_keys=callers.keys, attempts_kept=1, interval=0)
    client = app.test_client()
    made = ingest(client, [1], headers=callers.headers("one"))
    claimed(service_of(app).store)
    (own,) = client.get(f"/attempts/{made}", headers=callers.headers("one")).json["attempts"]
    assert (own["host"], own["process"]) == (None, None)
    (whole,) = client.get(f"/attempts/{made}", headers=callers.headers("operator")).json["attempts"]
    assert whole["process"] > 0
    assert client.get(f"/attempts/{made}", headers=callers.headers("two")).status_code == 404
