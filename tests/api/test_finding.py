"""What stands for an ingestion beside its whole id: its beginning, and the ids of its batches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any
from urllib.parse import quote

import pytest

from app.core import BatchError
from app.keys import Role
from tests.support.host import Host
from tests.support.queueing import bury, claimed
from tests.support.web import Callers, ingest, make_app

BOOM = BatchError("ValueError", "boom")


@pytest.mark.parametrize("length", [8, 9, 12, 23, 36])
def test_the_beginning_of_an_id_is_enough(host: Host, length: int) -> None:
    made = host.submit(range(1, 5)).id
    for text in (made[:length], made[:length].upper(), made[:length].replace("-", "")):
        document = host.client.get(f"/status/{text}").json
        assert document["ingestion_id"] == made
        assert len(document["batches"]) == 2


def test_every_route_takes_it(host: Host) -> None:
    made = host.submit(range(1, 4)).id
    short = made[:8]
    assert host.client.get(f"/results/{short}").status_code == 200
    bury(host.store, claimed(host.store)[0], BOOM)
    assert host.client.post(f"/status/{short}/redrive").json["ingestion_id"] == made
    assert host.client.post(f"/status/{short}/cancel").json["status"] == "cancelled"
    assert host.client.get(f"/dashboard/ingestions/{short}/data").json["ingestion_id"] == made


def test_a_batchs_id_leads_to_it(host: Host) -> None:
    made = host.submit(range(1, 31)).id
    batches = host.client.get(f"/status/{made}").json["batches"]
    for batch in (batches[0], batches[4], batches[9]):
        document = host.client.get(f"/status/{batch['batch_id']}").json
        assert document["ingestion_id"] == made
        assert document["batches"] == [batch]
    assert len(host.client.get(f"/status/{batches[4]['batch_id']}?offset=0&limit=3").json["batches"]) == 3


def test_the_id_after_the_last_batchs_is_nobodys(host: Host) -> None:
    made = host.submit(range(1, 4)).id
    (batch,) = host.client.get(f"/status/{made}").json["batches"]
    beyond = f"{batch['batch_id'][:24]}{(int(batch['batch_id'][24:], 16) + 1) % 2**48:012x}"
    assert host.client.get(f"/status/{beyond}").status_code == 404


def test_an_ambiguous_beginning_names_some_of_those_it_could_be(host: Host) -> None:
    made = sorted(host.submit([1]).id for _ in range(17))
    common = next(first for first, some in groupby(made, lambda one: one[0]) if len(list(some)) > 1)
    answer = host.client.get(f"/status/{common}")
    assert answer.status_code == 404
    begin = f"Several ids begin with '{common}', such as "
    assert answer.json["detail"].startswith(begin)
    named = answer.json["detail"].removeprefix(begin).removesuffix("; give more of it.").split(", ")
    possible = {one for one in made if one.startswith(common)}
    assert set(named) <= possible
    assert len(named) == min(3, len(possible))


@pytest.mark.parametrize(("verb", "body"), [("cancel", None), ("move", {"priority": "LOW"})])
def test_what_cannot_be_undone_is_not_done_by_the_id_of_a_part(host: Host, verb: str, body: Any) -> None:
    made = host.submit(range(1, 7)).id
    batch = host.client.get(f"/status/{made}").json["batches"][1]["batch_id"]
    for text in (batch, made[:7], made[:1], f"{' ' * 7}{made[:1]}"):
        answer = host.client.post(f"/status/{quote(text)}/{verb}", json=body)
        assert answer.status_code == 422
        assert f"ingestion {made}" in answer.json["detail"]
        assert answer.json["errors"][0]["pointer"] == "path ingestion_id"
    assert host.client.get(f"/status/{made[:1]}").json["status"] == "yet_to_start"
    assert host.client.post(f"/status/{made[:8]}/{verb}", json=body).status_code == 200


@pytest.mark.parametrize("text", ["zebra", "-", "8d0b2a4e-1c3f-4a5b-9c7d-0000000000001", "%20"])
def test_what_cannot_be_an_id_is_404(host: Host, text: str) -> None:
    host.submit([1])
    answer = host.client.get(f"/status/{text}")
    assert answer.status_code == 404
    assert ("an id has 32 digits" in answer.json["detail"]) == (len(text) < 36)


def test_only_the_callers_own_count() -> None:
    callers = Callers(("web", Role.SUBMIT), ("nightly", Role.SUBMIT), ("boss", Role.OPERATE))
    client = make_app(api_keys=callers.keys).test_client()
    web, nightly = callers.headers("web"), callers.headers("nightly")
    made = [ingest(client, [1], headers=web) for _ in range(17)]
    shared = next(one for one in made if sum(other[0] == one[0] for other in made) > 1)
    # Whether others have ids that begin alike must not show.
    assert "such as" in client.get(f"/status/{shared[0]}", headers=web).json["detail"]
    assert "such as" not in client.get(f"/status/{shared[0]}", headers=nightly).json["detail"]
    assert client.get(f"/status/{made[0][:12]}", headers=nightly).status_code == 404
    assert client.post(f"/status/{made[0][:12]}/cancel", headers=nightly).status_code == 404
    assert client.get(f"/status/{made[0][:12]}", headers=callers.headers("boss")).status_code == 200


def test_a_search_takes_a_log_line(serve: Callable[..., Host]) -> None:
    host = serve(autostart=False)
    made = host.submit(range(1, 601))
    batch = host.store.batches(made.id)[1][120]
    sought = {"id": f"attempt 2 at batch {batch.id} of ingestion {made.id} failed"}
    to_batch = host.client.get("/dashboard/search", query_string=sought, follow_redirects=True)
    assert (to_batch.request.path, to_batch.request.query_string) == (
        f"/dashboard/ingestions/{made.id}",
        b"offset=100&batch=121",
    )
    for text in (made.id[:8], made.id[:8].upper(), f" {made.id[:10]} "):
        found = host.client.get("/dashboard/search", query_string={"id": text}, follow_redirects=True)
        assert found.status_code == 200
        assert made.id in found.text
