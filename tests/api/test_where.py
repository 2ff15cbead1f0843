"""Where an id is, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from app.core import BatchError
from app.keys import Role
from tests.support.host import Host
from tests.support.queueing import ack, bury, claimed
from tests.support.web import Callers, ingest, make_app

BOOM = BatchError("ValueError", "boom")


@pytest.mark.parametrize("indexed", [True, False])
def test_it_tells_ingestion_batch_and_result(serve: Callable[..., Host], indexed: bool) -> None:
    host = serve(interval=0, find_ids=indexed)
    made = [host.submit(range(1, 8)).id for _ in range(2)]
    ack(host.store, claimed(host.store)[0], ["1.0", '{"name":"ü"}', "null"])
    document = host.client.get("/ids/2").json
    assert [one["ingestion"]["ingestion_id"] for one in document["found"]] == made[::-1]
    waiting, done = document["found"]
    for one in document["found"]:
        status = host.client.get(f"/status/{one['ingestion']['ingestion_id']}").json
        assert one["batch"] == status["batches"][0]
        assert one["ingestion"].items() <= status.items()
    assert waiting["result"] is None
    assert waiting["estimated_start"] is not None
    assert (done["result"], done["estimated_start"]) == ({"data": {"name": "ü"}}, None)
    assert (document["id"], document["more"], document["complete"]) == ("2", False, True)
    bury(host.store, claimed(host.store)[0], BOOM)
    (failed, _) = host.client.get("/ids/4").json["found"][::-1]
    assert failed["result"] == {"error": {"type": "ValueError", "message": "boom"}}
    assert host.client.get("/ids/2?limit=1").json["more"]
    assert host.client.get("/ids/99").json["found"] == []


@pytest.mark.parametrize("id_", ["a", "/a", "a//b/", "ü", "a?b", "%2F", "a b", ".", "x" * 200])
def test_any_string_can_be_looked_for(id_: str) -> None:
    client = make_app(id_type="string").test_client()
    ingestion_id = ingest(client, [id_, "other"])
    document = client.get(f"/ids/{quote(id_, safe='')}").json
    assert [one["ingestion"]["ingestion_id"] for one in document["found"]] == [ingestion_id]
    assert document["id"] == id_


@pytest.mark.parametrize("id_", ["%20", "a%00", "x" * 201, "%E2%80%8B"])
def test_what_cannot_be_an_id_is_refused(host: Host, id_: str) -> None:
    answer = host.client.get(f"/ids/{id_}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["detail"].startswith("The id must ")


def test_a_caller_finds_its_own_alone() -> None:
    callers = Callers(("one", Role.SUBMIT), ("two", Role.SUBMIT), ("operator", Role.OPERATE))
    client = make_app(api_keys=callers.keys).test_client()
    made = {name: ingest(client, [4711], headers=callers.headers(name)) for name in ("one", "two")}
    for name in made:
        found = client.get("/ids/4711", headers=callers.headers(name)).json
        assert [one["ingestion"]["ingestion_id"] for one in found["found"]] == [made[name]]
        assert found["searched"] == 1
        page = client.get("/dashboard/search/data?id=4711", headers=callers.headers(name)).json
        assert [one["ingestion_id"] for one in page["found"]] == [made[name]]
    assert len(client.get("/ids/4711", headers=callers.headers("operator")).json["found"]) == 2


def test_the_page_is_told_what_is_new_without_another_search() -> None:
    client = make_app().test_client()
    ingest(client, [1])
    assert client.get("/dashboard/search/data?id=1").json["searched"] == 1
    assert "found" not in client.get("/dashboard/search/data").json


def test_the_box_takes_every_kind_of_id() -> None:
    client = make_app(id_type="string").test_client()
    strange = "0f0e0d0c-0b0a-4908-8706-050403020100"
    made = ingest(client, ["item-7", strange])

    def sought(text: str) -> str:
        answer = client.get("/dashboard/search", query_string={"id": text})
        return str(answer.headers.get("Location", answer.status_code))

    batch = client.get(f"/status/{made}").json["batches"][0]["batch_id"]
    assert sought(made[:8]) == f"/dashboard/ingestions/{made}"
    assert sought(f"ingestion {made} was accepted") == f"/dashboard/ingestions/{made}"
    assert sought(batch) == f"/dashboard/ingestions/{batch}"
    assert sought("item-7") == sought(strange) == "200"
    assert sought("item-8") == "404"
