"""The description of the API against what the API does."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import Settings
from app.core import Status, SweepFilter
from app.core.models import BatchError
from app.errors import StoreUnavailable
from app.keys import Role
from app.store import Submission
from app.web.auth import needs_of
from tests.support.absent import absent
from tests.support.host import Host
from tests.support.queueing import ack, bury
from tests.support.sink import SECRET
from tests.support.web import Callers, make_app

CALLERS = Callers(("reader", Role.READ), ("one", Role.SUBMIT), ("operator", Role.OPERATE))
OPERATOR = CALLERS.headers("operator")
NOBODY = "00000000-0000-4000-8000-000000000000"
BODY = {"ids": [1, 2, 3, 4], "priority": "HIGH"}

# -- every route, and every status code of each --


def key_host(**settings: Any) -> Host:
    callbacks = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": SECRET}
    return Host(autostart=False, interval=0, **{"api_keys": CALLERS.keys, **callbacks, **settings})


def failed(host: Host) -> str:
    """The id of an ingestion that failed."""
    ingestion = host.submit([1])
    (claim,) = host.store.claim(1)  # type: ignore[misc]
    bury(host.store, claim, BatchError("UpstreamError", "no such record"))
    return ingestion.id


def with_key(key: str) -> dict[str, str]:
    return {**OPERATOR, "Idempotency-Key": key}


def away(host: Host) -> None:
    """Let the store be out of reach."""

    def unavailable(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the database is away")

    calls = "add get batches status results attempts cancel redrive move quote ingestions failures stats upcoming"
    for name in calls.split():
        setattr(host.store, name, unavailable)
    host.store.finder.indexed = unavailable  # type: ignore[method-assign]
    host.store.sweeps.get = host.store.sweeps.latest = unavailable  # type: ignore[method-assign]
    for name in ("dispatches", "steer", "audits", "ping"):
        setattr(host.store, name, unavailable)


Scenario = Callable[[Host, FlaskClient, str, str], TestResponse]


def some(path: str) -> str:
    """Returns the path of an ingestion or a sweep that nobody has."""
    return path.replace("{ingestion_id}", NOBODY).replace("{sweep_id}", NOBODY)


def plainly(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    return client.open(some(path), method=method, headers=OPERATOR)


def without_key(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    return client.open(path.replace("{ingestion_id}", NOBODY), method=method)


def as_reader(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    headers = CALLERS.headers("reader")
    return client.open(path.replace("{ingestion_id}", NOBODY), method=method, headers=headers)


def misspelt(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    url = path.replace("{ingestion_id}", NOBODY)
    return client.open(url, method=method, headers=OPERATOR, query_string={"stauts": "failed"})


def from_elsewhere(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    return client.open(path, method=method, headers={"Sec-Fetch-Site": "cross-site"})


def while_away(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    away(host)
    body = BODY if path in ("/ingest", "/quote") else None
    return client.open(some(path), method=method, headers=OPERATOR, json=body)


def rate_while_away(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    away(host)
    return client.open(path, method=method, headers=OPERATOR, json={"interval": 20})


def concurrency_while_away(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    away(host)
    return client.open(path, method=method, headers=OPERATOR, json={"concurrency": 1})


def move_while_away(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    away(host)
    return client.open(
        path.replace("{ingestion_id}", NOBODY), method=method, headers=OPERATOR, json={"priority": "LOW"}
    )


def sending(**options: Any) -> Scenario:
    def ask(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
        return client.open(path, method=method, **{"headers": OPERATOR, **options})

    return ask


def about(make: Callable[[Host], str], query: str = "", **headers: str) -> Scenario:
    def ask(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
        url = path.replace("{ingestion_id}", make(host)) + query
        return client.open(url, method=method, headers={**OPERATOR, **headers})

    return ask


def of_one(scenario: Scenario) -> Scenario:
    """The same about an ingestion that waits."""

    def ask(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
        return scenario(host, client, method, path.replace("{ingestion_id}", submitted(host)))

    return ask


def moving(make: Callable[[Host], str], body: Any = {"priority": "LOW"}) -> Scenario:  # noqa: B006
    def ask(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
        return client.open(path.replace("{ingestion_id}", make(host)), method=method, headers=OPERATOR, json=body)

    return ask


def submitted(host: Host) -> str:
    return host.submit(range(1, 9), owner="one").id


def completed(host: Host) -> str:
    ingestion = host.submit([1])
    (claim,) = host.store.claim(1)  # type: ignore[misc]
    ack(host.store, claim, ["true"])
    return ingestion.id


def unchanged(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    url = path.replace("{ingestion_id}", submitted(host))
    tag = client.get(url, headers=OPERATOR).headers["ETag"]
    return client.open(url, method=method, headers={**OPERATOR, "If-None-Match": tag})


def in_use(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    """Ask again while the first request with the idempotency key is still being accepted."""
    entered, leave, add = threading.Event(), threading.Event(), host.store.add

    def stay(submission: Submission) -> Any:
        entered.set()
        leave.wait(20)
        return add(submission)

    def first() -> None:
        host.client.post("/ingest", json=BODY, headers=with_key("k"))

    host.store.add = stay  # type: ignore[method-assign]
    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(20)
    try:
        return client.open(path, method=method, json=BODY, headers=with_key("k"))
    finally:
        leave.set()
        thread.join()


def over_quota(_: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    for _ in range(2):
        response = client.open(path, method=method, json=BODY, headers=OPERATOR)
    return response


def busy(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    """Ask when the queue has something of everything to tell."""
    completed(host)
    failed(host)
    submitted(host)
    host.store.claim(1)
    host.store.hold(30)
    return client.open(path, method=method, headers=OPERATOR)


def held(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    """Ask for an id that is in an ingestion of every kind."""
    completed(host)
    failed(host)
    submitted(host)
    host.store.claim(1)
    return client.open(path.replace("{record_id}", "1"), method=method, headers=OPERATOR)


def sweep_while_away(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    away(host)
    return client.open(path, method=method, headers=OPERATOR, json={"owner": "one"})


def swept(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    failed(host)
    sweep = host.service.sweep("redrive", SweepFilter(Status.FAILED), {}, by="operator")
    return client.open(path.replace("{sweep_id}", sweep.id), method=method, headers=OPERATOR)


def dead(host: Host, client: FlaskClient, method: str, path: str) -> TestResponse:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(host.service.worker), "state", "dead")
        return client.open(path, method=method)


def without_prometheus(host: Host, _: FlaskClient, method: str, path: str) -> TestResponse:
    with absent("prometheus_client"):
        return key_host(api_keys=host.service.settings.api_keys).client.open(path, method=method, headers=OPERATOR)


JSON_TYPE = "application/json"
LARGE = b"[" + b"1," * 70_000
BODIES: dict[int, Scenario] = {
    400: sending(data=b"{", content_type=JSON_TYPE),
    413: sending(data=LARGE, content_type=JSON_TYPE),
    415: sending(data=b"1", content_type="text/plain"),
    422: sending(json={"ids": []}),
}
SWEEP_BODIES = {**BODIES, 422: sending(json={}), 503: sweep_while_away}
KEYED: dict[int, Scenario] = {401: without_key, 422: misspelt, 503: while_away}
LIMITED: dict[int, Scenario] = {**KEYED, 403: as_reader}
BODILESS = {**LIMITED, **{status: BODIES[status] for status in (400, 413, 415)}}
BODILESS_OF_ONE = {**LIMITED, **{status: of_one(BODIES[status]) for status in (400, 413, 415)}}

SCENARIOS: dict[tuple[str, str], dict[int, Scenario]] = {
    ("post", "/ingest"): {**LIMITED, **BODIES, 200: sending(json=BODY), 409: in_use, 429: over_quota},
    ("post", "/quote"): {**LIMITED, **BODIES, 200: sending(json=BODY)},
    ("get", "/status/{ingestion_id}"): {
        **KEYED,
        200: about(submitted),
        304: unchanged,
        404: plainly,
        422: about(submitted, "?limit=x"),
    },
    ("post", "/status/{ingestion_id}/cancel"): {
        **BODILESS_OF_ONE,
        200: about(submitted),
        404: plainly,
        409: about(completed),
    },
    ("post", "/status/{ingestion_id}/redrive"): {
        **BODILESS_OF_ONE,
        200: about(failed),
        404: plainly,
        409: about(completed),
    },
    ("post", "/status/{ingestion_id}/move"): {
        **LIMITED,
        **{status: of_one(scenario) for status, scenario in BODIES.items()},
        200: moving(submitted),
        404: moving(lambda _: NOBODY),
        409: moving(completed),
        422: moving(submitted, {"priority": "TOP"}),
        503: move_while_away,
    },
    ("post", "/status/{ingestion_id}/callback/redrive"): {
        **BODILESS_OF_ONE,
        200: about(completed),
        404: plainly,
        409: about(submitted),
    },
    ("get", "/results/{ingestion_id}"): {**KEYED, 200: about(completed), 404: plainly},
    ("get", "/attempts/{ingestion_id}"): {**KEYED, 200: about(completed), 404: plainly},
    ("get", "/ingestions"): {**KEYED, 200: busy, 422: sending(query_string={"status": "done"})},
    ("post", "/ingestions/redrive"): {**LIMITED, **SWEEP_BODIES, 200: sending(json={"status": "failed"})},
    ("post", "/ingestions/cancel"): {**LIMITED, **SWEEP_BODIES, 200: sending(json={"owner": "one", "dry_run": True})},
    ("get", "/sweeps"): {**LIMITED, 200: swept, 422: sending(query_string={"limit": "0"})},
    ("get", "/sweeps/{sweep_id}"): {**LIMITED, 200: swept, 404: plainly},
    ("get", "/failures"): {**KEYED, 200: busy, 422: sending(query_string={"since": "soon"})},
    ("get", "/failures/ids"): {**KEYED, 200: busy, 422: sending(query_string={"until": "yesterday"})},
    ("get", "/ids/{record_id}"): {**KEYED, 200: held, 422: sending(query_string={"limit": "0"})},
    ("get", "/queue"): {**KEYED, 200: busy},
    ("post", "/queue/pause"): {**BODILESS, 200: busy},
    ("post", "/queue/resume"): {**BODILESS, 200: busy},
    ("post", "/queue/hold/end"): {**BODILESS, 200: busy},
    ("post", "/queue/rate"): {
        **LIMITED,
        **BODIES,
        503: rate_while_away,
        200: sending(json={"interval": 20}),
        422: sending(json=[]),
    },
    ("post", "/queue/rate/reset"): {**BODILESS, 200: busy},
    ("post", "/queue/concurrency"): {
        **LIMITED,
        **BODIES,
        200: sending(json={"concurrency": 1}),
        404: sending(json={"concurrency": 1}, query_string={"worker": "nobody"}),
        422: sending(json={"concurrency": 5}),
        503: concurrency_while_away,
    },
    ("post", "/queue/concurrency/reset"): {**BODILESS, 200: busy, 404: sending(query_string={"worker": "nobody"})},
    ("get", "/audit"): {**LIMITED, 200: busy, 422: sending(query_string={"cursor": "x"})},
    ("get", "/dispatches"): {**LIMITED, 200: busy, 422: sending(query_string={"limit": "0"})},
    ("get", "/metrics"): {401: without_key, 422: misspelt, 200: busy, 501: without_prometheus},
    ("get", "/livez"): {200: plainly, 503: dead},
    ("get", "/readyz"): {200: plainly, 503: while_away},
    ("get", "/login"): {200: plainly, 401: without_key, 422: misspelt},
    ("post", "/login"): {
        200: sending(json={"key": CALLERS.texts["one"]}),
        400: sending(data=b"{"),
        401: sending(json={"key": "guess"}),
        403: from_elsewhere,
        413: sending(data=LARGE),
        422: sending(json={}),
    },
    ("post", "/logout"): {204: plainly, 403: from_elsewhere},
    ("get", "/openapi.json"): {200: plainly},
}
# What comes about where there are no keys.
OPEN_SCENARIOS: dict[tuple[str, str], dict[int, Scenario]] = {
    (method, path): {
        code: from_elsewhere if code == 403 else ask
        for code, ask in scenarios.items()
        if code not in (401, 429) and (code != 403 or method == "post")
    }
    for (method, path), scenarios in SCENARIOS.items()
}
MODES = {"keyed": (CALLERS.keys, SCENARIOS), "open": ([], OPEN_SCENARIOS)}

# Pages for people, which no client of the API asks for.
PAGES = re.compile(r"/(docs|dashboard)(/|$)")


OF_EVERY_ANSWER = {
    "Cache-Control",
    "Content-Length",
    "Content-Security-Policy",
    "Content-Type",
    "Referrer-Policy",
    "X-Content-Type-Options",
}


def described_by(**settings: Any) -> dict[str, Any]:
    return dict(key_host(**settings).client.get("/openapi.json").json)


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """What each mode describes, with a quota, without which nobody is over it."""
    return {mode: described_by(api_keys=keys, key_quota=7) for mode, (keys, _) in MODES.items()}


@pytest.fixture(scope="module")
def document(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return documents["keyed"]


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document where no object has a member that it does not tell of."""
    strict = copy.deepcopy(document)
    for schema in objects(strict):
        schema.setdefault("additionalProperties", False)
    return strict


@pytest.fixture(scope="module")
def closed_documents(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {mode: closed(document) for mode, document in documents.items()}


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for methods in document["paths"].values() for one in methods.values()]


def validate(part: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(part)


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema in it that names its members."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "type" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        yield from itertools.chain.from_iterable(map(objects, part))


def test_every_route_is_described(document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in make_app().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not PAGES.match(rule.rule) and rule.rule != "/"  # the standalone service's, not an instance's
    }
    described = {(method, path) for path, operations in document["paths"].items() for method in operations}
    assert described == routes
    assert described == SCENARIOS.keys()


@pytest.mark.parametrize("mode", MODES)
def test_every_status_code_is_described_and_comes_about(documents: dict[str, dict[str, Any]], mode: str) -> None:
    for (method, path), scenarios in MODES[mode][1].items():
        described = {int(code) for code in documents[mode]["paths"][path][method]["responses"]}
        assert described == scenarios.keys(), f"{method} {path}"


@pytest.mark.parametrize(
    ("mode", "method", "path", "code"),
    [
        (mode, *route, code)
        for mode, (_, scenarios) in MODES.items()
        for route, codes in scenarios.items()
        for code in codes
    ],
)
def test_an_answer_is_as_described(
    closed_documents: dict[str, dict[str, Any]], mode: str, method: str, path: str, code: int
) -> None:
    keys, scenarios = MODES[mode]
    host = key_host(api_keys=keys, max_ids=10, key_quota=7 if code == 429 else 0)
    response = scenarios[method, path][code](host, host.client, method, path)
    assert response.status_code == code, response.text

    document = closed_documents[mode]
    described = document["paths"][path][method]["responses"][str(code)]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    for name, header in described.get("headers", {}).items():
        assert name in response.headers or not header.get("required"), name
    untold = {name for name, _ in response.headers} - described.get("headers", {}).keys() - OF_EVERY_ANSWER
    assert not untold
    if "content" not in described:
        assert not response.data
        return
    schema = described["content"][response.mimetype]["schema"]
    if response.mimetype.endswith("json") and schema.get("type") != "string":
        validate(response.json, schema, document)


# -- keys --


def needed_role(app: Flask, method: str, path: str) -> Role | None:
    endpoint, _ = app.url_map.bind("localhost").match(path.replace("{ingestion_id}", NOBODY), method.upper())
    return needs_of(app.view_functions[endpoint]).role


def test_each_operation_says_which_role_its_key_needs(document: dict[str, Any]) -> None:
    app = make_app()
    for method, path in SCENARIOS:
        operation, role = document["paths"][path][method], needed_role(app, method, path)
        names = [role.name.lower()] if role else []
        assert operation.get("security", []) == [{scheme: names} for scheme in ("bearer", "cookie") if role]
        assert ("needs a key" in operation["description"]) == (role is not None)
        if role and role > Role.READ:
            assert f"`{role.name.lower()}`" in operation["description"]
    assert document["components"]["securitySchemes"].keys() == {"bearer", "cookie"}


def test_a_service_without_keys_asks_for_none(documents: dict[str, dict[str, Any]]) -> None:
    document = documents["open"]
    assert "securitySchemes" not in document["components"]
    assert not document["components"]["responses"].keys() & {"401", "429"}
    assert not any("security" in part for part in [document, *operations(document)])
    assert not any("needs a key" in one["description"] for one in operations(document))
    assert "no keys" in document["info"]["description"]


def test_without_a_quota_nobody_is_over_it() -> None:
    assert "429" not in described_by()["paths"]["/ingest"]["post"]["responses"]
    assert "429" in described_by(key_quota=1)["paths"]["/ingest"]["post"]["responses"]


# -- words and examples --


def test_every_operation_has_a_group_words_and_examples(document: dict[str, Any]) -> None:
    groups = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {*itertools.chain(*(one["tags"] for one in operations(document)))} == groups
    for operation in operations(document):
        assert len(operation["tags"]) == 1
        assert operation["summary"]
        assert operation["description"].endswith(".")
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for part in [*bodies, next(iter(operation["responses"].values()))]:
            assert "example" in next(iter((part.get("content") or part["headers"]).values())), operation["operationId"]


def examples(part: Any) -> Iterator[dict[str, Any]]:
    """Everything in it that has a schema and an example."""
    if isinstance(part, dict):
        if "schema" in part and "example" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        yield from itertools.chain.from_iterable(map(examples, part))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_keys": []},
        {"id_min": -9, "id_max": -8, "max_ids": 1},
        {"id_min": 2**40},
        {"id_max": 1},
        {"id_type": "string"},
    ],
    ids=str,
)
def test_every_example_is_as_described(settings: dict[str, Any]) -> None:
    document = closed(described_by(**settings))
    found = list(examples(document))
    assert len(found) > 20
    for one in found:
        validate(one["example"], one["schema"], document)


@pytest.mark.parametrize("id_type", ["integer", "string"])
def test_the_example_of_a_request_is_accepted(id_type: str) -> None:
    host = key_host(api_keys=[], id_type=id_type)
    media = described_by(id_type=id_type)["paths"]["/ingest"]["post"]["requestBody"]["content"]["application/json"]
    assert host.client.post("/ingest", json=media["example"]).status_code == 200


def test_the_example_of_a_sign_out_is_what_it_answers() -> None:
    responses = described_by()["paths"]["/logout"]["post"]["responses"]
    answer = key_host().client.post("/logout")
    assert answer.headers["Set-Cookie"] == responses["204"]["headers"]["Set-Cookie"]["example"]


# -- settings --


def test_every_setting_is_in_it(document: dict[str, Any]) -> None:
    listed = {one["key"]: one["description"] for one in document["x-settings"]}
    fields = dataclasses.fields(Settings)
    assert listed == {f"INGEST_{field.name.upper()}": field.metadata["about"] for field in fields}
    assert not any(key.digest.hex() in str(document) for key in CALLERS.keys)


def test_the_bounds_of_a_request_are_those_of_the_settings() -> None:
    document = key_host(max_ids=7, id_min=-5, id_max=99).client.get("/openapi.json").json
    ids = document["components"]["schemas"]["Submission"]["properties"]["ids"]
    assert (ids["maxItems"], ids["items"]["minimum"], ids["items"]["maximum"]) == (7, -5, 99)


LENGTHS = [length * "a" for length in (1, 200, 201, 255, 256)]
TEXTS = ["", " ", " a", "a ", "a b", "é", "a\tb", "\x7f", "a\x80b", "a\xa0b", "a\xad", *LENGTHS]
TEXTS += ["\u2028", "a\u200bb", "\u3000", "\ufeffa", "\ue000", "\u0378", "\U0001fae8", "\U000e0067"]
KEYS = ["k", '"k"', '" k "', '""', f'"{"k" * 255}"', "k" * 255, "k" * 256, "a b"]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_caller_and_a_string_id_are_described_as_they_are_refused(text: str) -> None:
    host = key_host(api_keys=[], id_type="string")
    document = described_by(id_type="string")
    parts = document["components"]
    sweep, ids = parts["schemas"]["CancelAll"], parts["schemas"]["Submission"]["properties"]["ids"]
    listed, paused = parts["parameters"]["owner"], parts["parameters"]["paused_owner"]
    client, query = host.client, {"owner": text}
    asked = [
        (listed["schema"], client.get("/ingestions", query_string=query)),
        (paused["schema"], client.post("/queue/pause", query_string=query)),
        (sweep["properties"]["owner"], client.post("/ingestions/cancel", json={**query, "dry_run": True})),
        (ids["items"], client.post("/ingest", json={"ids": [text], "priority": "LOW"})),
    ]
    for schema, answer in asked:
        assert jsonschema_rs.is_valid(schema, text) == (answer.status_code == 200), (schema, answer.json)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_an_idempotency_key_is_described_as_it_is_read(key: str) -> None:
    host = key_host(api_keys=[])
    schema = described_by()["components"]["parameters"]["idempotency_key"]["schema"]
    answer = host.client.post("/ingest", json=BODY, headers={"Idempotency-Key": key})
    assert jsonschema_rs.is_valid(schema, key) == (answer.status_code == 200)


def test_where_ids_are_strings_every_id_is_one() -> None:
    document = described_by(id_type="string")
    schemas = document["components"]["schemas"]
    allowed = schemas["Submission"]["properties"]["ids"]["items"]
    assert (allowed["type"], allowed["minLength"], allowed["maxLength"]) == ("string", 1, 200)
    for shown in (schemas["Batch"], schemas["Queue"]["properties"]["next"]["items"]):
        assert shown["properties"]["ids"]["items"] == {"type": "string"}


def test_under_a_prefix_the_description_says_so() -> None:
    host = Host(name="two", url_prefix="/in/two", autostart=False, api_keys=CALLERS.keys)
    document = host.client.get("/in/two/openapi.json").json
    assert document["servers"] == [{"url": "/in/two"}]
    assert document["components"]["securitySchemes"]["cookie"]["name"] == "two_key"
    assert document["x-settings"][0]["key"] == "TWO_INTERVAL"
