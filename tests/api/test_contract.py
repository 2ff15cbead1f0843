"""The two endpoints of the contract, and what is added around them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from app.core.models import BatchError
from tests.support.clock import START
from tests.support.host import Host
from tests.support.queueing import ack, bury, claimed, finish

BODY = {"ids": [1, 2, 3, 4, 5], "priority": "HIGH"}


def ingest(host: Host, body: Any = BODY, **headers: str) -> str:
    response = host.client.post("/ingest", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json["ingestion_id"]


def test_ingest_answers_the_id_and_where_to_look(host: Host) -> None:
    response = host.client.post("/ingest", json=BODY)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert list(response.json) == ["ingestion_id"]
    uuid.UUID(response.json["ingestion_id"])
    assert response.headers["Location"] == f"/status/{response.json['ingestion_id']}"
    assert host.client.get(response.headers["Location"]).status_code == 200


def test_status_has_the_members_of_the_contract(host: Host) -> None:
    ingestion_id = ingest(host)
    document = host.client.get(f"/status/{ingestion_id}").json
    assert document["ingestion_id"] == ingestion_id
    assert document["status"] == "yet_to_start"
    assert [set(batch) for batch in document["batches"]] == [{"batch_id", "ids", "status"}] * 2
    assert [(batch["ids"], batch["status"]) for batch in document["batches"]] == [
        ([1, 2, 3], "yet_to_start"),
        ([4, 5], "yet_to_start"),
    ]
    assert len({uuid.UUID(batch["batch_id"]) for batch in document["batches"]} | {uuid.UUID(ingestion_id)}) == 3


def test_status_of_a_waiting_ingestion_says_when(host: Host) -> None:
    document = host.client.get(f"/status/{ingest(host)}").json
    del document["ingestion_id"], document["batches"]
    assert document == {
        "status": "yet_to_start",
        "priority": "HIGH",
        "id_count": 5,
        "batch_count": 2,
        "counts": {"yet_to_start": 2, "triggered": 0, "completed": 0, "failed": 0, "cancelled": 0},
        "created_at": "2027-01-15T08:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        "batches_ahead": 0,
        "estimated_start": "2027-01-15T08:00:00.000Z",
        "estimated_completion": "2027-01-15T08:00:05.000Z",
    }


def test_status_follows_the_batches(host: Host) -> None:
    ingestion_id = ingest(host)

    def look() -> tuple[str, list[str]]:
        document = host.client.get(f"/status/{ingestion_id}").json
        return document["status"], [batch["status"] for batch in document["batches"]]

    first = claimed(host.store)[0]
    assert look() == ("triggered", ["triggered", "yet_to_start"])
    finish(host.store, first)
    assert look() == ("triggered", ["completed", "yet_to_start"])
    host.clock.advance(5)
    finish(host.store, claimed(host.store)[0])
    assert look() == ("completed", ["completed", "completed"])
    document = host.client.get(f"/status/{ingestion_id}").json
    assert document["finished_at"] == "2027-01-15T08:00:05.000Z"
    assert "batches_ahead" not in document


def test_a_failed_batch_says_why_and_how_often_it_was_tried(host: Host) -> None:
    ingestion_id = ingest(host)
    bury(host.store, claimed(host.store)[0], BatchError("ValueError", "no such city"))
    batch = host.client.get(f"/status/{ingestion_id}").json["batches"][0]
    assert batch["status"] == "failed"
    assert batch["attempts"] == 1
    assert batch["error"] == {"type": "ValueError", "message": "no such city"}


def test_location_holds_the_url_prefix_and_the_script_name(serve: Callable[..., Host]) -> None:
    host = serve(url_prefix="/ingestion")
    response = host.client.post("/ingestion/ingest", json=BODY, environ_overrides={"SCRIPT_NAME": "/mounted"})
    assert response.headers["Location"] == f"/mounted/ingestion/status/{response.json['ingestion_id']}"
    assert host.client.get(f"/ingestion/status/{response.json['ingestion_id']}").status_code == 200
    assert host.client.post("/ingest", json=BODY).status_code == 404


@pytest.mark.parametrize("priority", ["HIGH", "MEDIUM", "LOW"])
def test_repeats_and_order_of_ids_are_kept(host: Host, priority: str) -> None:
    ids = [9, 1, 9, 9, 2**63 - 1, 1]
    document = host.client.get(f"/status/{ingest(host, {'ids': ids, 'priority': priority})}").json
    assert [id_ for batch in document["batches"] for id_ in batch["ids"]] == ids
    assert document["priority"] == priority


@pytest.mark.parametrize("mimetype", ["application/json", "application/json; charset=utf-8", "application/x+json"])
def test_any_json_media_type_will_do(host: Host, mimetype: str) -> None:
    response = host.client.post("/ingest", data=json.dumps(BODY), headers={"Content-Type": mimetype})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("query", "first_ids"),
    [
        ("", [1, 3, 5, 7]),
        ("?limit=2", [1, 3]),
        ("?offset=1", [3, 5, 7]),
        ("?limit=2&offset=1", [3, 5]),
        ("?limit=2&offset=3", [7]),
        ("?limit=0", []),
        ("?offset=4", []),
        ("?limit=9223372036854775807&offset=9223372036854775807", []),
    ],
)
def test_batches_come_in_pages(serve: Callable[..., Host], query: str, first_ids: list[int]) -> None:
    host = serve(batch_size=2)
    ingestion_id = ingest(host, {"ids": list(range(1, 8)), "priority": "LOW"})
    document = host.client.get(f"/status/{ingestion_id}{query}").json
    assert [batch["ids"][0] for batch in document["batches"]] == first_ids
    assert document["batch_count"] == 4


def test_pages_of_a_big_ingestion_join_up(serve: Callable[..., Host]) -> None:
    host = serve(batch_size=1)
    ingestion_id = ingest(host, {"ids": list(range(1, 2502)), "priority": "LOW"})
    whole = host.client.get(f"/status/{ingestion_id}").json["batches"]
    pages = [
        host.client.get(f"/status/{ingestion_id}?limit=1000&offset={offset}").json["batches"]
        for offset in (0, 1000, 2000)
    ]
    assert [batch for page in pages for batch in page] == whole
    assert len(whole) == 2501


def test_only_the_batches_in_one_status(serve: Callable[..., Host]) -> None:
    host = serve(interval=0)
    ingestion_id = host.submit(range(1, 13)).id
    for claim in claimed(host.store, 2):
        bury(host.store, claim, BatchError("Failed", "gone"))
    url = f"/status/{ingestion_id}"
    whole = host.client.get(url).json["batches"]
    failed = host.client.get(f"{url}?status=failed").json
    assert failed["batches"] == whole[:2]
    assert failed["counts"]["failed"] == 2
    assert host.client.get(f"{url}?status=failed&offset=1&limit=1").json["batches"] == whole[1:2]
    assert host.client.get(f"{url}?status=yet_to_start").json["batches"] == whole[2:]
    assert host.client.get(f"/status/{whole[3]['batch_id']}?status=failed").json["batches"] == whole[:2]
    refused = host.client.get(f"{url}?status=broken")
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "query status")


def test_a_filtered_page_changes_its_tag_with_what_it_shows(host: Host) -> None:
    url = f"/status/{host.submit(range(1, 13)).id}?status=failed&limit=1"
    before = host.client.get(url).headers["ETag"]
    bury(host.store, claimed(host.store)[0], BatchError("Failed", "gone"))
    after = host.client.get(url).headers["ETag"]
    assert before != after
    assert host.client.get(url, headers={"If-None-Match": after}).status_code == 304


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "limit=", "offset=1.5", "offset=99999999999999999999"])
def test_a_bad_page_is_refused_by_name(host: Host, query: str) -> None:
    response = host.client.get(f"/status/{ingest(host)}?{query}")
    name = query.partition("=")[0]
    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json["errors"]] == [f"query {name}"]
    assert name in response.json["detail"]


class TestETag:
    def test_nothing_changed(self, host: Host) -> None:
        url = f"/status/{ingest(host)}"
        tag = host.client.get(url).headers["ETag"]
        assert tag.startswith('W/"')
        for known in (tag, tag.removeprefix("W/"), "*", f'"other", {tag}'):
            response = host.client.get(url, headers={"If-None-Match": known})
            assert response.status_code == 304, known
            assert response.data == b""
            assert response.headers["ETag"] == tag
            assert response.headers["Retry-After"] == "1"

    def test_something_changed(self, host: Host) -> None:
        url = f"/status/{ingest(host)}"
        tag = host.client.get(url).headers["ETag"]
        claimed(host.store)
        response = host.client.get(url, headers={"If-None-Match": tag})
        assert response.status_code == 200
        assert response.headers["ETag"] != tag
        assert response.json["status"] == "triggered"

    def test_each_page_has_its_own(self, host: Host) -> None:
        url = f"/status/{ingest(host)}"
        tag = host.client.get(url + "?limit=1").headers["ETag"]
        assert host.client.get(url + "?limit=1&offset=1", headers={"If-None-Match": tag}).status_code == 200

    def test_what_is_not_there_is_not_unchanged(self, host: Host) -> None:
        response = host.client.get(f"/status/{uuid.uuid4()}", headers={"If-None-Match": "*"})
        assert response.status_code == 404

    def test_it_is_for_reading_alone(self, host: Host) -> None:
        url = f"/status/{ingest(host)}/cancel"
        assert host.client.post(url, headers={"If-None-Match": "*"}).status_code == 200


class TestRetryAfter:
    def test_it_is_when_the_page_can_next_differ(self, host: Host) -> None:
        first, second = ingest(host), ingest(host)
        claimed(host.store)

        def wait(ingestion_id: str) -> str | None:
            return host.client.get(f"/status/{ingestion_id}").headers.get("Retry-After")

        # The first waits for its batch in process to end, the second for two tokens.
        assert wait(first) == "1"
        assert wait(second) == "10"
        host.clock.advance(0.5)
        assert wait(second) == "10"
        host.clock.advance(1.5)
        assert wait(second) == "8"

    def test_it_is_gone_with_the_end(self, serve: Callable[..., Host]) -> None:
        host = serve(batch_size=5)
        ingestion_id = ingest(host)
        assert "Retry-After" in host.client.get(f"/status/{ingestion_id}").headers
        finish(host.store, claimed(host.store)[0])
        assert "Retry-After" not in host.client.get(f"/status/{ingestion_id}").headers

    def test_while_paused_it_is_a_few_seconds(self, serve: Callable[..., Host]) -> None:
        host = serve(interval=30)
        host.ingestion.pause()
        response = host.client.get(f"/status/{ingest(host)}")
        assert response.headers["Retry-After"] == "5"
        assert response.json["estimated_start"] is None
        assert response.json["estimated_completion"] is None


class TestResults:
    def test_a_line_each_in_the_ingestions_order(self, serve: Callable[..., Host]) -> None:
        host = serve(interval=0)
        ingestion_id = ingest(host, {"ids": [9, 1, 5, 9, 2], "priority": "LOW"})
        one, two = claimed(host.store, 2)
        ack(host.store, two, ['{"town":"\\u00c5"}', "null"])
        response = host.client.get(f"/results/{ingestion_id}")
        assert response.status_code == 200
        assert response.mimetype == "application/x-ndjson"
        assert response.text == '{"id":9,"data":{"town":"\\u00c5"}}\n{"id":2,"data":null}\n'
        ack(host.store, one, ["1", "2", "3"])
        lines = [json.loads(line) for line in host.client.get(f"/results/{ingestion_id}").text.splitlines()]
        assert [(line["id"], line["data"]) for line in lines] == [(9, 1), (1, 2), (5, 3), (9, {"town": "Å"}), (2, None)]

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("*/*", "application/x-ndjson"),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/x-ndjson"),
            ("application/json", "application/x-ndjson"),
            ("text/plain, application/x-ndjson", "application/x-ndjson"),
            ("text/plain", "text/plain"),
            ("text/*", "text/plain"),
        ],
    )
    def test_it_is_text_for_who_asks_for_text(self, host: Host, accept: str, kind: str) -> None:
        ingestion_id = ingest(host, {"ids": [1], "priority": "LOW"})
        ack(host.store, claimed(host.store)[0], ["1"])
        response = host.client.get(f"/results/{ingestion_id}", headers={"Accept": accept})
        assert (response.mimetype, response.text) == (kind, '{"id":1,"data":1}\n')

    def test_of_what_failed_there_are_none(self, host: Host) -> None:
        ingestion_id = ingest(host)
        bury(host.store, claimed(host.store)[0], BatchError("X", "y"))
        response = host.client.get(f"/results/{ingestion_id}")
        assert (response.status_code, response.data) == (200, b"")

    def test_more_than_go_out_at_once(self, serve: Callable[..., Host]) -> None:
        host = serve(interval=0, batch_size=1000)
        ids = list(range(1, 3502))
        ingestion_id = ingest(host, {"ids": ids, "priority": "LOW"})
        for batch in claimed(host.store, 4):
            ack(host.store, batch, [])
        lines = host.client.get(f"/results/{ingestion_id}").text.splitlines()
        assert [json.loads(line) for line in lines] == [{"id": one, "data": None} for one in ids]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status/{}"),
        ("GET", "/results/{}"),
        ("POST", "/status/{}/cancel"),
        ("POST", "/status/{}/redrive"),
        ("POST", "/status/{}/move"),
    ],
)
@pytest.mark.parametrize(
    "ingestion_id", ["8e2b1a52-6f0a-4d6b-9c0b-0a6c9d6a7b11", "nothing-like-it", "%ED%A0%80", "1" * 5000]
)
def test_an_unknown_ingestion_is_404(host: Host, method: str, path: str, ingestion_id: str) -> None:
    body = {"priority": "LOW"} if path.endswith("move") else None
    response = host.client.open(path.format(ingestion_id), method=method, json=body)
    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"
    assert response.json["status"] == 404
    assert response.json["title"] == "Not Found"
    assert "There is no ingestion" in response.json["detail"]


class TestQuote:
    def test_it_says_when_for_each_priority_and_queues_nothing(self, host: Host) -> None:
        ingest(host, {"ids": [1, 2, 3, 4], "priority": "MEDIUM"})
        response = host.client.post("/quote", json={"ids": [7] * 4, "priority": "LOW"})
        assert response.status_code == 200
        assert response.json == {
            "HIGH": quoted(0, 0, 5),
            "MEDIUM": quoted(2, 10, 15),
            "LOW": quoted(2, 10, 15),
        }
        assert len(host.client.get("/ingestions").json["ingestions"]) == 1

    def test_it_knows_nothing_while_paused(self, host: Host) -> None:
        host.ingestion.pause()
        quote = host.client.post("/quote", json=BODY).json["HIGH"]
        assert quote == {"batches_ahead": 0, "estimated_start": None, "estimated_completion": None}

    def test_it_comes_true(self, serve: Callable[..., Host]) -> None:
        host = serve(interval=2.5, burst=2)
        ingest(host, {"ids": list(range(1, 10)), "priority": "LOW"})
        quote = host.client.post("/quote", json=BODY).json["HIGH"]
        document = host.client.get(f"/status/{ingest(host)}").json
        assert {name: document[name] for name in quote} == quote

    def test_it_refuses_what_ingest_refuses(self, host: Host) -> None:
        response = host.client.post("/quote", json={"ids": [True]})
        assert response.status_code == 422
        assert {fault["pointer"] for fault in response.json["errors"]} == {"#/ids/0", "#/priority"}
        assert host.client.post("/quote", data="[", content_type="application/json").status_code == 400
        assert host.client.post("/quote", data="[").status_code == 415


def quoted(ahead: int, start: int, completion: int) -> dict[str, Any]:
    return {
        "batches_ahead": ahead,
        "estimated_start": f"2027-01-15T08:00:{start:02}.000Z",
        "estimated_completion": f"2027-01-15T08:00:{completion:02}.000Z",
    }


def test_the_clock_of_these_tests_starts_where_they_say(host: Host) -> None:
    assert host.clock.now() == START == 1_800_000_000


def test_an_estimate_past_the_last_year_is_still_an_answer(serve: Callable[..., Host]) -> None:
    host = serve(interval=365 * 86_400.0, batch_size=1)
    ingestion_id = ingest(host, {"ids": list(range(1, 9001)), "priority": "LOW"})
    document = host.client.get(f"/status/{ingestion_id}").json
    assert document["estimated_completion"] == "9999-12-31T23:59:59.999Z"
    assert host.client.get("/queue").json["priorities"]["LOW"]["drained_at"] == "9999-12-31T23:59:59.999Z"
    assert host.client.post("/quote", json=BODY).json["LOW"]["estimated_start"] == "9999-12-31T23:59:59.999Z"
