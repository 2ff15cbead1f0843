"""The Idempotency-Key header: the same request again makes nothing new."""

from __future__ import annotations

import json
import re
import threading
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.core import Priority
from app.errors import KeyInUse, KeyReused
from app.store import Submission
from tests.support.host import BOUND, Host
from tests.support.queueing import claimed, finish
from tests.support.troubled import TroubledStore

BODY: dict[str, Any] = {"ids": [1, 2, 3, 4], "priority": "HIGH"}


def ingest(host: Host, key: str, body: Any = BODY) -> TestResponse:
    return host.client.post("/ingest", json=body, headers={"Idempotency-Key": key})


def count(host: Host) -> int:
    return len(host.client.get("/ingestions").json["ingestions"])


def test_the_same_again_gives_the_same_answer(host: Host) -> None:
    first, second = ingest(host, "abc"), ingest(host, "abc")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json
    assert first.headers["Location"] == second.headers["Location"]
    assert ingest(host, "abd").json != first.json
    assert count(host) == 2


def test_quoted_or_bare_is_the_same_key(host: Host) -> None:
    assert ingest(host, '"abc"').json == ingest(host, "abc").json


KEYS = [
    "a",
    '"a"',
    '"',
    '""',
    '"""',
    '"a',
    'a"',
    'a"b',
    '"a"b"',
    "a b",
    "x" * 255,
    "x" * 256,
    f'"{"x" * 255}"',
    '"' * 257,
]
KEYS += ['"' * 258, '"' + "x" * 254, '"' + "x" * 255, "é", ""]


@pytest.mark.parametrize("key", KEYS)
def test_what_is_taken_is_what_is_described(host: Host, key: str) -> None:
    parameters = host.client.get("/openapi.json").json["components"]["parameters"]
    described = re.search(parameters["idempotency_key"]["schema"]["pattern"], key) is not None
    assert ingest(host, key).status_code == (200 if described else 422)


def test_from_python_it_is_the_same_key_too(host: Host) -> None:
    assert ingest(host, "abc").json["ingestion_id"] == host.submit([1, 2, 3, 4], "HIGH", key="abc").id
    with pytest.raises(KeyReused):
        host.submit([1, 2, 3], "HIGH", key="abc")


def test_each_owner_has_keys_of_its_own(host: Host) -> None:
    one, two = (host.submit([1], "HIGH", key="abc", owner=owner).id for owner in ("me", "you"))
    assert one != two
    assert host.submit([2], "LOW", key="abc").id not in (one, two)


@pytest.mark.parametrize(
    "other",
    [
        {"ids": [1, 2, 3], "priority": "HIGH"},
        {"ids": [4, 3, 2, 1], "priority": "HIGH"},
        {"ids": [1, 2, 3, 4], "priority": "LOW"},
        {"ids": [1, 2, 3, 4], "priority": "HIGH", "deadline": 3600},
    ],
)
def test_with_another_request_it_is_422(host: Host, other: Any) -> None:
    ingest(host, "abc")
    response = ingest(host, "abc", other)
    assert response.status_code == 422
    assert response.mimetype == "application/problem+json"
    assert "'abc' was used with another request" in response.json["detail"]
    assert count(host) == 1


def test_the_spelling_of_the_json_does_not_matter(host: Host) -> None:
    headers = {"Idempotency-Key": "abc", "Content-Type": "application/json"}
    answers = {
        host.client.post("/ingest", data=text, headers=headers).json["ingestion_id"]
        for text in ('{"ids":[1,2],"priority":"LOW"}', ' {"priority": "L\\u004fW", "ids": [1, 2]}')
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("100", "100.0"), ("100.0", "1e2"), ("1E2", "100"), ("0.5", "5e-1"), ("100", "100")]
)
def test_a_number_may_be_written_in_several_ways(host: Host, one: str, other: str) -> None:
    headers = {"Idempotency-Key": "abc", "Content-Type": "application/json"}

    def answer(number: str) -> TestResponse:
        text = f'{{"ids":[1],"priority":"HIGH","deadline":{number}}}'
        return host.client.post("/ingest", data=text, headers=headers)

    assert answer(one).json == answer(other).json
    assert count(host) == 1
    assert [answer(number).status_code for number in ("101", "100.5", "null", '"100"')] == [422] * 4


KEPT = {
    "100": "9bada1558b85753d37cf629f544a3dfeef51d1a6b976141b2f305568c4df6ac7",
    "100.0": "1058d5cece60256554359f1b0a059e2ba6121502479c9cf3d2ac31bd670c51e1",
    "3600.5": "aa86bb40a09261555191a7a489206956940e47e688324871361578e9aec293c0",
    '"2100-01-01T00:00:00Z"': "73b08250fc00e0dd994e148f676edcda71a43f16a94db5bd9eb000d511cfeb45",
    "null": "87e6c8788f01962d19086d05f39bc1c1c30aab57ebb4d4dfcec7e9c97c05b7cf",
}
"""The fingerprint of BODY that 0.1.0 kept, for a deadline that was sent so."""


@pytest.mark.parametrize("sent", KEPT)
def test_what_an_older_version_accepted_is_recognised(sent: str, host: Host) -> None:
    before = Submission(array("q", BODY["ids"]), Priority.HIGH, None, "abc", KEPT[sent])
    kept, _ = host.store.add(before)
    repeated = {**BODY, "deadline": json.loads(sent)}
    assert ingest(host, "abc", repeated).json == {"ingestion_id": kept.id}
    # What is accepted now, a process of 0.1.0 on the same store recognises.
    host.ingestion.submit(**repeated, key="new")
    assert host.store.add(before._replace(key="new"))[1] is False


@pytest.mark.parametrize("key", ["", '""', "k" * 256, f'"{"k" * 256}"', "caf\u00e9", "a\tb", "\x7f"])
def test_a_key_that_cannot_be_one_is_refused(host: Host, key: str) -> None:
    response = ingest(host, key)
    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json["errors"]] == ["header Idempotency-Key"]
    assert "1 to 255 printable ASCII characters" in response.json["detail"]
    assert count(host) == 0


@pytest.mark.parametrize("key", ["k", "k" * 255, f'"{"k" * 255}"', 'a"b', '"', "a b"])
def test_a_key_of_any_printable_kind_will_do(host: Host, key: str) -> None:
    assert ingest(host, key).status_code == 200


def test_a_refused_request_leaves_the_key_free(serve: Callable[..., Host]) -> None:
    host = serve(max_pending=2)
    host.submit([9], "LOW")
    assert ingest(host, "abc").status_code == 503
    assert ingest(host, "abc", {"ids": [], "priority": "HIGH"}).status_code == 422
    claimed(host.store)
    assert ingest(host, "abc").status_code == 200
    # The queue is full again, but this one is in it already.
    assert ingest(host, "abc").status_code == 200


def test_it_is_kept_for_the_retention(serve: Callable[..., Host]) -> None:
    host = serve(batch_size=4, retention=60)
    first = ingest(host, "abc").json
    host.clock.advance(3600)
    finish(host.store, claimed(host.store)[0])
    host.clock.advance(59.5)
    assert ingest(host, "abc").json == first
    host.clock.advance(0.5)
    assert ingest(host, "abc").json != first


def test_while_the_first_is_being_accepted_it_is_409(
    serve: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.extension.open_store", lambda settings, clock, _: TroubledStore(settings, clock))
    host = serve()
    entered, opened = threading.Event(), threading.Event()
    host.store.faults["add"] = lambda: (entered.set(), opened.wait(BOUND))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ingest, host, "abc")
        assert entered.wait(BOUND)
        del host.store.faults["add"]
        second = ingest(host, "abc")
        assert second.status_code == 409
        assert second.headers["Retry-After"] == "1"
        assert "still being accepted" in second.json["detail"]
        assert ingest(host, "other").status_code == 200
        with pytest.raises(KeyInUse):
            host.submit([1, 2, 3, 4], "HIGH", key="abc")
        opened.set()
        assert first.result().status_code == 200
    assert ingest(host, "abc").json == first.result().json


def test_a_hundred_threads_that_race_make_one_ingestion(host: Host) -> None:
    together = threading.Barrier(100, timeout=BOUND)

    def race(_: int) -> TestResponse:
        together.wait()
        return ingest(host, "abc")

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(race, range(100)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    accepted = {answer.json["ingestion_id"] for answer in answers if answer.status_code == 200}
    assert accepted == {ingest(host, "abc").json["ingestion_id"]}
    assert count(host) == 1
    assert host.store.stats().depths[1].waiting == 2
