"""What failed, grouped by error, and every id of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.core import BatchError, Priority
from app.keys import Role
from app.outcomes import Outcome
from tests.support.host import Host
from tests.support.queueing import bury, claimed, ended
from tests.support.web import Callers

NO_RECORD, DOWN = "no record {}", "GET /items?ids={} answered 503"


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    return serve(interval=0, batch_size=1, autostart=False)


def fail(host: Host, message: str, count: int = 1, **more: Any) -> list[str]:
    """Returns ingestions of an id each, which failed one after the other, a second apart."""
    made = []
    for _ in range(count):
        one = host.submit([4711], **more)
        made.append(one.id)
        bury(host.store, claimed(host.store)[0], BatchError("UpstreamError", message.format(len(made))))
        host.clock.advance(1)
    return made


def ids_of(host: Host, query: str = "", **more: Any) -> list[dict[str, Any]]:
    answer = host.client.get(f"/failures/ids{query}", **more)
    assert answer.mimetype == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_errors_that_read_alike_are_one_group(host: Host) -> None:
    first = fail(host, NO_RECORD, 12)
    second = fail(host, DOWN)
    document = host.client.get("/failures").json
    assert document["next_cursor"] is None
    down, gone = document["groups"]
    assert (down["count"], down["message"], down["ingestions"]) == (1, "GET /items?… answered 503", second)
    assert (gone["count"], gone["type"], gone["message"]) == (12, "UpstreamError", "no record …")
    assert gone["ingestions"] == first[:1:-1]
    assert gone["first_at"] < gone["last_at"] < down["last_at"]
    assert gone["sample"]["ingestion_id"] == first[-1]
    assert gone["sample"]["error"] == {"type": "UpstreamError", "message": "no record 12"}
    batch = host.client.get(f"/status/{gone['sample']['batch_id']}").json["batches"][0]
    assert batch["error"] == gone["sample"]["error"]


def test_pages_of_groups(host: Host) -> None:
    for word in ("red", "green", "blue", "red"):
        fail(host, f"it is {word}")
    found, cursor = [], ""
    while cursor is not None:
        document = host.client.get(f"/failures?limit=2{cursor and f'&cursor={cursor}'}").json
        assert len(document["groups"]) in (1, 2)
        found += [(group["message"], group["count"]) for group in document["groups"]]
        cursor = document["next_cursor"]
    assert found == [("it is red", 2), ("it is blue", 1), ("it is green", 1)]


def test_every_failed_id_has_a_line(host: Host) -> None:
    made = host.submit([7, 7])
    first, second = claimed(host.store, 2)
    bury(host.store, first, BatchError("A", "one"))
    ended(host.store, second, Outcome.ack([BatchError("B", "two")]))
    lines = ids_of(host)
    assert [(line["id"], line["error"]["type"]) for line in lines] == [(7, "B"), (7, "A")]
    assert {line["ingestion_id"] for line in lines} == {made.id}
    batches = host.client.get(f"/status/{made.id}").json["batches"]
    assert [line["batch_id"] for line in lines] == [batch["batch_id"] for batch in reversed(batches)]
    assert lines[0]["failed_at"] == batches[1]["finished_at"]


def test_filters(host: Host) -> None:
    low = fail(host, NO_RECORD, 2, priority=Priority.LOW)
    host.clock.advance(3600)
    high = fail(host, DOWN, 3, priority=Priority.HIGH)
    (down, gone) = host.client.get("/failures").json["groups"]
    for query, wanted in (
        ("priority=LOW", low),
        ("priority=HIGH", high),
        (f"group={gone['group']}", low),
        ("group=none", []),
        ("since=600", high),
        ("until=600", low),
        (f"since={down['first_at']}", high),
        ("since=8000", low + high),
        ("owner=nobody", []),
    ):
        assert {line["ingestion_id"] for line in ids_of(host, f"?{query}")} == set(wanted), query
        groups = host.client.get(f"/failures?{query}").json["groups"]
        assert sum(group["count"] for group in groups) == len(wanted), query


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("since=soon", "since"),
        ("until=2027-01-15T08:00:00", "until"),
        ("since=-5", "since"),
        ("since=999999999999", "since"),
        ("priority=TOP", "priority"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=1_2", "cursor"),
        ("groop=x", "groop"),
    ],
)
def test_what_is_wrong_is_named(host: Host, query: str, member: str) -> None:
    answer = host.client.get(f"/failures?{query}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"query {member}")


def test_nobody_sees_what_is_another_callers(serve: Callable[..., Host]) -> None:
    callers = Callers(("one", Role.SUBMIT), ("two", Role.READ), ("operator", Role.OPERATE))
    host = serve(interval=0, batch_size=1, api_keys=callers.keys)
    mine, theirs = fail(host, NO_RECORD, owner="one"), fail(host, NO_RECORD, owner="two")
    for name, wanted in (("one", mine), ("two", theirs), ("operator", theirs + mine)):
        headers = {"Authorization": f"Bearer {callers.texts[name]}"}
        groups = host.client.get("/failures", headers=headers).json["groups"]
        assert [group["ingestions"] for group in groups] == [wanted]
        assert [line["ingestion_id"] for line in ids_of(host, headers=headers)] == wanted
        group = f"?group={groups[0]['group']}"
        assert [line["ingestion_id"] for line in ids_of(host, group, headers=headers)] == wanted
        refused = host.client.get("/failures?owner=three", headers=headers).status_code
        assert refused == (200 if name == "operator" else 422)
    operator = {"Authorization": f"Bearer {callers.texts['operator']}"}
    assert [line["ingestion_id"] for line in ids_of(host, "?owner=one", headers=operator)] == mine
