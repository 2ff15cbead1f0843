"""Ids that are strings, over HTTP and from Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import pytest

from app import Failed
from app.core.clock import SystemClock
from app.errors import InvalidRequest, KeyReused
from tests.support.host import Host

IDS = ["0000-0002-1825-0097", "7b0c7a3e-1111-4222-8333-444455556666", "SKU 12/3, \u00fc", "me@example.org", '"\\]']


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    return serve(id_type="string")


def ingest(host: Host, ids: Any, **headers: str) -> Any:
    return host.client.post("/ingest", json={"ids": ids, "priority": "HIGH"}, headers=headers)


def test_they_are_processed_and_answered_as_they_are(serve: Callable[..., Host]) -> None:
    seen: list[Any] = []

    def process(ids: list[str]) -> Mapping[str, Any]:
        seen.append(ids)
        return {one: {"length": len(one)} for one in ids}

    host = serve(process, clock=SystemClock(), id_type="string", interval=0, concurrency=1, autostart=True)
    ingestion_id = ingest(host, IDS).json["ingestion_id"]
    host.heard.until_finished(ingestion_id)
    assert seen == [IDS[:3], IDS[3:]]
    assert [one["batch"].ids for one in host.heard.all("completed")] == [IDS[:3], IDS[3:]]
    batches = host.client.get(f"/status/{ingestion_id}").json["batches"]
    assert [batch["ids"] for batch in batches] == [IDS[:3], IDS[3:]]
    lines = host.client.get(f"/results/{ingestion_id}").text.splitlines()
    assert [json.loads(line) for line in lines] == [{"id": one, "data": {"length": len(one)}} for one in IDS]


def test_without_a_processor_they_are_simulated(serve: Callable[..., Host]) -> None:
    host = serve(clock=SystemClock(), id_type="string", interval=0, autostart=True)
    ingestion_id = ingest(host, IDS).json["ingestion_id"]
    host.service.start()
    host.heard.until_finished(ingestion_id)
    assert list(host.ingestion.results(ingestion_id)) == [(one, '"processed"') for one in IDS]


def test_one_that_failed_is_told_apart(serve: Callable[..., Host]) -> None:
    def process(ids: list[str]) -> Mapping[str, Any]:
        return {one: Failed("unknown") if "@" in one else len(one) for one in ids}

    host = serve(process, clock=SystemClock(), id_type="string", interval=0, autostart=True)
    ingestion_id = ingest(host, IDS).json["ingestion_id"]
    host.heard.until_finished(ingestion_id)
    lines = host.client.get(f"/results/{ingestion_id}?include=failed").text.splitlines()
    found = {line["id"]: line for line in map(json.loads, lines)}
    assert list(found) == IDS
    assert found[IDS[3]] == {"id": IDS[3], "error": {"type": "Failed", "message": "unknown"}}
    assert found[IDS[4]] == {"id": IDS[4], "data": len(IDS[4])}


def test_long_pages_are_json_too(host: Host) -> None:
    ids = IDS * 100
    ingestion_id = ingest(host, ids).json["ingestion_id"]
    batches = host.client.get(f"/status/{ingestion_id}").json["batches"]
    assert [one for batch in batches for one in batch["ids"]] == ids
    assert host.client.get("/queue").json["next"][0]["ids"] == IDS[:3]


def test_every_fault_is_named_with_its_place(host: Host) -> None:
    response = ingest(host, ["ok", "", "x" * 201, " a", "b\n", 7, None, ["c"], "\ud800", True])
    assert response.status_code == 422
    assert {fault["pointer"]: fault["detail"] for fault in response.json["errors"]} == {
        "#/ids/1": "ids[1] must have 1 to 200 characters, not 0.",
        "#/ids/2": "ids[2] must have 1 to 200 characters, not 201.",
        "#/ids/3": "ids[3] must not begin or end with a blank.",
        "#/ids/4": "ids[4] must be printable, but its character 2 is U+000A.",
        "#/ids/5": "ids[5] must be a string, not 7.",
        "#/ids/6": "ids[6] must be a string, not null.",
        "#/ids/7": "ids[7] must be a string, not an array.",
        "#/ids/8": "ids[8] must be printable, but its character 1 is U+D800.",
        "#/ids/9": "ids[9] must be a string, not true.",
    }
    assert ingest(host, "abc").json["detail"] == 'ids must be an array of strings, not the string "abc".'
    assert host.store.ingestions() == []


def test_bounds_of_integers_do_not_concern_them(serve: Callable[..., Host]) -> None:
    host = serve(id_type="string", id_min=5, id_max=6)
    assert ingest(host, ["1", "999"]).status_code == 200


def test_a_request_may_be_as_long_as_its_ids(serve: Callable[..., Host]) -> None:
    host = serve(id_type="string", max_ids=2000)
    assert ingest(host, ["x" * 200] * 2000).status_code == 200
    assert ingest(host, ["x" * 300] * 2000).status_code == 413


def test_the_same_key_is_for_the_same_strings(host: Host) -> None:
    first = ingest(host, ["a", "bc"], **{"Idempotency-Key": "k"})
    assert ingest(host, ["a", "bc"], **{"Idempotency-Key": "k"}).json == first.json
    assert ingest(host, ["ab", "c"], **{"Idempotency-Key": "k"}).status_code == 422
    assert host.ingestion.submit(["a", "bc"], "HIGH", key="k").id == first.json["ingestion_id"]
    with pytest.raises(KeyReused):
        host.ingestion.submit(["a"], "HIGH", key="k")


def test_from_python_words_of_an_enumeration_will_do(host: Host) -> None:
    class Word(StrEnum):
        ONE = "one"

    ingestion = host.ingestion.submit([Word.ONE], "HIGH")
    (batch,) = host.store.batches(ingestion.id)[1]
    assert batch.ids == ["one"]
    with pytest.raises(InvalidRequest, match="must be a string, not object"):
        host.ingestion.submit([object()], "HIGH")  # type: ignore[list-item]


def test_a_quote_takes_them(host: Host) -> None:
    assert host.client.post("/quote", json={"ids": IDS, "priority": "LOW"}).json["LOW"]["batches_ahead"] == 0
