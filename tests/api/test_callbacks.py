"""Callbacks over the API: who may ask for one, what is told of it, and how it is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from app.callbacks import Callback, CallbackState, Delivery
from app.core.models import Priority
from app.errors import Conflict, InvalidRequest, UnknownIngestion
from app.keys import Role
from tests.support.host import Host
from tests.support.queueing import claimed, finish
from tests.support.sink import SECRET
from tests.support.web import Callers

Serve = Callable[..., Host]
NOBODY = "00000000-0000-4000-8000-000000000000"
TOLD = {"webhook_url": "https://hooks.example.org/in", "webhook_secret": SECRET}
HOSTS = {"webhook_hosts": "hooks.example.org,10.0.0.7:8443", "webhook_secret": SECRET}


def ended(host: Host, **more: Any) -> str:
    ingestion = host.submit([1], **more)
    finish(host.store, claimed(host.store)[0])
    return ingestion.id


def attempt(host: Host, delivery: Delivery) -> Callback:
    callback = host.store.outbox.claim(30)
    assert isinstance(callback, Callback)
    assert host.store.outbox.end(callback, delivery)
    return callback


def status(host: Host, ingestion_id: str) -> dict[str, Any]:
    document = host.client.get(f"/status/{ingestion_id}").json
    assert document is not None
    return document


def test_the_status_says_how_it_went(serve: Serve) -> None:
    host = serve(**TOLD)
    assert "callback" not in status(host, host.submit([1, 2, 3, 4]).id)
    host.service.cancel(host.store.ingestions()[0].id)
    host.clock.advance(5)
    host.store.outbox.claim(1000)
    ingestion_id = ended(host)
    waiting = {"state": "pending", "attempts": 0, "error": None, "next_attempt_at": "2027-01-15T08:00:05.000Z"}
    document = status(host, ingestion_id)["callback"]
    assert document == {"id": document["id"], **waiting}
    assert document["id"].startswith("msg_")
    tag = host.client.get(f"/status/{ingestion_id}").headers["ETag"]
    attempt(host, Delivery(CallbackState.PENDING, "it answered 500.", 7))
    answer = host.client.get(f"/status/{ingestion_id}", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    failed = {
        "state": "pending",
        "attempts": 1,
        "error": "it answered 500.",
        "next_attempt_at": "2027-01-15T08:00:12.000Z",
    }
    assert answer.json["callback"] == {"id": document["id"], **failed}
    host.clock.advance(7)
    attempt(host, Delivery(CallbackState.SENT))
    sent = {"state": "sent", "attempts": 2, "error": None, "next_attempt_at": None}
    assert status(host, ingestion_id)["callback"] == {"id": document["id"], **sent}


def test_where_nobody_is_told_there_is_no_such_member(host: Host) -> None:
    ingestion_id = ended(host)
    assert "callback" not in status(host, ingestion_id)
    answer = host.client.post(f"/status/{ingestion_id}/callback/redrive")
    assert answer.status_code == 409
    assert "nothing to send again" in answer.json["detail"]


def test_a_redrive_makes_it_due_at_once(serve: Serve) -> None:
    host = serve(**TOLD)
    ingestion_id = ended(host)
    attempt(host, Delivery(CallbackState.FAILED, "it answered 410."))
    answer = host.client.post(f"/status/{ingestion_id}/callback/redrive")
    assert answer.status_code == 200
    assert (answer.json["callback"]["state"], answer.json["batches"]) == ("pending", [])
    attempt(host, Delivery(CallbackState.SENT))
    assert host.client.post(f"/status/{ingestion_id}/callback/redrive").status_code == 409
    with pytest.raises(Conflict):
        host.ingestion.redrive_callback(ingestion_id)
    with pytest.raises(UnknownIngestion):
        host.ingestion.redrive_callback(NOBODY)
    assert host.client.post(f"/status/{NOBODY}/callback/redrive").status_code == 404


def test_the_audit_log_names_the_caller_that_sends_it_again(serve: Serve) -> None:
    callers = Callers(("ann", Role.OPERATE))
    host = serve(**TOLD, api_keys=callers.keys)
    ingestion_id = ended(host)
    attempt(host, Delivery(CallbackState.FAILED, "it answered 410."))
    headers = callers.headers("ann")
    assert host.client.post(f"/status/{ingestion_id}/callback/redrive", headers=headers).status_code == 200
    attempt(host, Delivery(CallbackState.FAILED, "it answered 410."))
    host.ingestion.redrive_callback(ingestion_id, "bob")
    entries = host.client.get("/audit", headers=headers).json["entries"]
    assert [(one["by"], one["action"], one["subject"]) for one in entries] == [
        ("bob", "redrive_callback", ingestion_id),
        ("ann", "redrive_callback", ingestion_id),
    ]


def test_a_submission_may_name_a_receiver_on_a_listed_host(serve: Serve) -> None:
    host = serve(**HOSTS)
    for url in ("https://hooks.example.org/mine?key=1", "http://10.0.0.7:8443/"):
        body = {"ids": [1], "priority": "HIGH", "callback": url}
        assert host.client.post("/ingest", json=body).status_code == 200
        assert host.client.post("/quote", json=body).status_code == 200
        host.clock.advance(5)
        finish(host.store, claimed(host.store)[0])
        assert attempt(host, Delivery(CallbackState.SENT)).url == url
    host.clock.advance(5)
    silent = ended(host)
    assert "callback" not in status(host, silent)


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        ("https://evil.org/", '"evil.org" is not among the hosts of WEBHOOK_HOSTS'),
        ("https://hooks.example.org:444/", '"hooks.example.org:444" is not among the hosts of WEBHOOK_HOSTS'),
        ("http://10.0.0.7/", '"10.0.0.7" is not among the hosts of WEBHOOK_HOSTS'),
        ("https://u@hooks.example.org/", "it must not hold a user or a password"),
        ("file:///etc/passwd", "it must start with http:// or https://"),
        ("https://hooks.example.org/\r\nHost: evil.org", "it must be at most 2000 printable ASCII characters"),
        (7, "it must be a URL, not 7"),
        (["https://hooks.example.org/"], "it must be a URL, not an array"),
    ],
)
def test_any_other_receiver_is_refused(serve: Serve, callback: Any, why: str) -> None:
    host = serve(**HOSTS)
    answer = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH", "callback": callback})
    assert answer.status_code == 422
    (fault,) = answer.json["errors"]
    assert fault["pointer"] == "#/callback"
    assert fault["detail"].startswith(f"callback cannot be told: {why}")
    assert host.store.ingestions() == []


def test_without_listed_hosts_the_refusal_names_the_setting(serve: Serve) -> None:
    for settings in ({}, TOLD):
        host = serve(**settings)
        body = {"ids": [1], "priority": "HIGH", "callback": "https://hooks.example.org/"}
        answer = host.client.post("/ingest", json=body)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "#/callback")
        assert "WEBHOOK_HOSTS" in answer.json["detail"]
        assert host.client.post("/ingest", json=body | {"callback": None}).status_code == 200


def test_it_is_part_of_what_an_idempotency_key_stands_for(serve: Serve) -> None:
    host = serve(**HOSTS)
    body = {"ids": [1], "priority": "HIGH", "callback": "https://hooks.example.org/a"}
    headers = {"Idempotency-Key": "k"}
    first, again = (host.client.post("/ingest", json=body, headers=headers) for _ in range(2))
    assert first.json == again.json
    other = host.client.post("/ingest", json=body | {"callback": "https://hooks.example.org/b"}, headers=headers)
    assert other.status_code == 422
    assert "was used with another request" in other.json["detail"]


def test_a_host_says_it_in_python(serve: Serve) -> None:
    host = serve(**HOSTS)
    ended(host, callback="https://hooks.example.org/mine")
    assert attempt(host, Delivery(CallbackState.SENT)).url == "https://hooks.example.org/mine"
    with pytest.raises(InvalidRequest, match="evil"):
        host.ingestion.submit([1], Priority.LOW, callback="https://evil.org/")


def test_the_description_has_it_where_hosts_are_listed(serve: Serve) -> None:
    def submission(host: Host) -> Any:
        return host.client.get("/openapi.json").json["components"]["schemas"]["Submission"]["properties"]

    assert "callback" not in submission(serve(**TOLD))
    told = submission(serve(**HOSTS))["callback"]
    assert "hooks.example.org, 10.0.0.7:8443" in told["description"]
    jsonschema_rs.Draft202012Validator(told).validate("https://hooks.example.org/")


def test_no_secret_and_no_url_is_shown(serve: Serve) -> None:
    host = serve(webhook_url="https://hooks.example.org/in?key=hush", webhook_secret=SECRET)
    ingestion_id = ended(host)
    attempt(host, Delivery(CallbackState.PENDING, "it answered 500.", 7))
    for path in (f"/status/{ingestion_id}", "/openapi.json", "/metrics", f"/dashboard/ingestions/{ingestion_id}/data"):
        text = host.client.get(path).text
        assert "hush" not in text
        assert SECRET not in text
    assert "hush" not in repr(host.service.settings)
    assert "whsec" not in repr(host.service.settings)


def test_the_metrics_count_them(serve: Serve) -> None:
    host = serve(**TOLD)
    ended(host)
    host.clock.advance(5)
    ended(host)
    attempt(host, Delivery(CallbackState.FAILED, "it answered 410."))
    text = host.client.get("/metrics").text
    assert 'ingestion_unsent_callbacks{queue="ingest",state="pending"} 1.0' in text
    assert 'ingestion_unsent_callbacks{queue="ingest",state="failed"} 1.0' in text
    assert 'ingestion_callbacks_total{outcome="sent",queue="ingest"} 0.0' in text
    assert "callbacks" not in serve().client.get("/metrics").text
