"""Who may do what, and what a browser may be made to do."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from app import IngestionAPI
from app.cli.keys import keys as keys_command
from app.core import WorkerReport
from app.errors import ConfigError
from app.keys import Role, find_key, new_key, parse_keys
from app.service import services_of
from app.web import refuse_open
from tests.support.command import Command
from tests.support.queueing import settings
from tests.support.web import Callers, ingest, make_app, service_of

ROOT = Path(__file__).parents[2]
NOBODY = "00000000-0000-4000-8000-000000000000"

PROBES = {("GET", "/livez"), ("GET", "/readyz")}

# What the least role is for every route that asks for one.
ROUTES = {
    ("GET", "/login"): Role.READ,
    ("GET", "/status/{id}"): Role.READ,
    ("GET", "/results/{id}"): Role.READ,
    ("GET", "/attempts/{id}"): Role.READ,
    ("GET", "/ingestions"): Role.READ,
    ("GET", "/failures"): Role.READ,
    ("GET", "/failures/ids"): Role.READ,
    ("GET", "/ids/{record_id}"): Role.READ,
    ("GET", "/queue"): Role.READ,
    ("GET", "/metrics"): Role.READ,
    ("POST", "/ingest"): Role.SUBMIT,
    ("POST", "/quote"): Role.SUBMIT,
    ("POST", "/status/{id}/cancel"): Role.SUBMIT,
    ("POST", "/status/{id}/redrive"): Role.OPERATE,
    ("POST", "/status/{id}/move"): Role.OPERATE,
    ("POST", "/status/{id}/callback/redrive"): Role.OPERATE,
    ("POST", "/queue/pause"): Role.OPERATE,
    ("POST", "/queue/resume"): Role.OPERATE,
    ("POST", "/ingestions/redrive"): Role.OPERATE,
    ("POST", "/ingestions/cancel"): Role.OPERATE,
    ("GET", "/sweeps"): Role.OPERATE,
    ("GET", "/sweeps/{id}"): Role.OPERATE,
    ("POST", "/queue/hold/end"): Role.OPERATE,
    ("POST", "/queue/rate"): Role.OPERATE,
    ("POST", "/queue/rate/reset"): Role.OPERATE,
    ("POST", "/queue/concurrency"): Role.OPERATE,
    ("POST", "/queue/concurrency/reset"): Role.OPERATE,
    ("GET", "/audit"): Role.OPERATE,
    ("GET", "/dispatches"): Role.OPERATE,
    ("GET", "/dashboard/data"): Role.READ,
    ("GET", "/dashboard/queues/data"): Role.READ,
    ("GET", "/dashboard/failures/data"): Role.READ,
    ("GET", "/dashboard/search/data"): Role.READ,
    ("GET", "/dashboard/ingestions/{id}/data"): Role.READ,
    ("GET", "/dashboard/ingestions/{id}/failed"): Role.READ,
    ("GET", "/dashboard/submit/quote"): Role.SUBMIT,
    ("GET", "/dashboard/audit/data"): Role.OPERATE,
}
OPEN = {
    ("GET", "/"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
}

# These hold nothing of anybody's, and show the form to sign in where there is no key.
PAGES = {
    ("GET", "/dashboard"),
    ("GET", "/dashboard/failures"),
    ("GET", "/dashboard/queues"),
    ("GET", "/dashboard/search"),
    ("GET", "/dashboard/ingestions/{id}"),
    ("GET", "/dashboard/submit"),
    ("GET", "/dashboard/audit"),
}


@pytest.fixture
def callers() -> Callers:
    return Callers(("reader", Role.READ), ("one", Role.SUBMIT), ("two", Role.SUBMIT), ("operator", Role.OPERATE))


@pytest.fixture
def app(callers: Callers) -> Flask:
    return make_app(api_keys=callers.keys)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def routes_of(app: Flask) -> set[tuple[str, str]]:
    return {
        (
            method,
            re.sub(r"<(?:\w+:)?(?:ingestion|sweep)_id>", "{id}", rule.rule).replace(
                "<any_text:record_id>", "{record_id}"
            ),
        )
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.endswith(".static")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


# -- roles --


def test_every_route_is_in_the_tables_above(app: Flask) -> None:
    assert routes_of(app) == ROUTES.keys() | OPEN | PAGES


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_preflight_needs_no_key_and_learns_methods_alone(client: FlaskClient, method: str, path: str) -> None:
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": method}
    response = client.options(path.replace("{id}", NOBODY), headers=asked)
    assert (response.status_code, response.data) == (200, b"")
    assert method in response.headers["Allow"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_key_nothing_is_answered(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path.replace("{id}", NOBODY), method=method)
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="ingest"'


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_role_may_what_the_table_says(client: FlaskClient, callers: Callers, method: str, path: str) -> None:
    for name, role in (("reader", Role.READ), ("one", Role.SUBMIT), ("operator", Role.OPERATE)):
        headers = callers.headers(name)
        response = client.open(path.replace("{id}", NOBODY), method=method, headers=headers)
        assert response.status_code != 401
        assert (response.status_code == 403) == (role < ROUTES[method, path]), name
        if response.status_code == 403:
            assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_query_member_that_it_does_not_know_is_refused_by_name(
    callers: Callers, method: str, path: str, *, keyed: bool
) -> None:
    app = make_app(api_keys=callers.keys if keyed else "")
    headers = callers.headers("operator") if keyed else {}
    response = app.test_client().open(f"{path.replace('{id}', NOBODY)}?stauts=failed", method=method, headers=headers)
    assert response.status_code == 422
    (fault,) = response.json["errors"]
    assert fault["pointer"] == "query stauts"
    assert fault["detail"].startswith('"stauts" is not a query member here; this takes ')


@pytest.mark.parametrize(("method", "path"), sorted(PROBES))
def test_a_probe_does_not_fail_for_its_query(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(f"{path}?at=1", method=method).status_code == 200


def test_a_route_that_does_not_say_what_it_needs_is_for_operators(callers: Callers) -> None:
    app = make_app(api_keys=callers.keys)
    app.view_functions["ingest.livez"] = lambda: "forgotten"
    client = app.test_client()
    assert client.get("/livez", headers=callers.headers("one")).status_code == 403
    assert client.get("/livez", headers=callers.headers("operator")).text == "forgotten"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_no_key(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "bearer", "Basic b25lOng=", "Bearer \udcff", "Token x"])
def test_what_is_not_a_key_is_refused(client: FlaskClient, header: str) -> None:
    response = client.get(
        "/queue", headers={"Authorization": header.encode("utf-8", "surrogateescape").decode("latin-1")}
    )
    assert response.status_code == 401


def test_without_keys_everybody_may_everything() -> None:
    client = make_app().test_client()
    ingestion_id = ingest(client, [1])
    assert client.get(f"/status/{ingestion_id}").status_code == 200
    assert client.post("/queue/pause").status_code == 200
    assert client.get("/login").json == {"name": None, "role": "operate"}


# -- whose ingestions --


@pytest.mark.parametrize(
    ("method", "path"), [route for route, role in ROUTES.items() if "{id}" in route[1] and role < Role.OPERATE]
)
def test_a_foreign_ingestion_is_like_one_that_is_not_there(
    client: FlaskClient, callers: Callers, method: str, path: str
) -> None:
    foreign = ingest(client, [1, 2, 3], headers=callers.headers("one"))
    answers = [
        client.open(path.replace("{id}", id_), method=method, headers=callers.headers("two"))
        for id_ in (foreign, NOBODY)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(foreign, NOBODY) == answers[1].text
    assert [name for name, _ in answers[0].headers] == [name for name, _ in answers[1].headers]


def test_a_caller_sees_its_own_and_an_operator_everybodys(client: FlaskClient, callers: Callers) -> None:
    mine = ingest(client, [1], headers=callers.headers("one"))
    other = ingest(client, [2], headers=callers.headers("two"))

    def listed(name: str) -> list[str]:
        document = client.get("/ingestions", headers=callers.headers(name)).json
        return [one["ingestion_id"] for one in document["ingestions"]]

    assert listed("one") == [mine]
    assert listed("two") == [other]
    assert listed("reader") == []
    assert listed("operator") == [other, mine]
    assert client.get(f"/status/{mine}", headers=callers.headers("one")).json["owner"] == "one"
    assert client.post(f"/status/{mine}/cancel", headers=callers.headers("one")).status_code == 200
    assert client.get(f"/status/{other}", headers=callers.headers("operator")).status_code == 200


@pytest.mark.parametrize("path", ["/ingestions", "/dashboard/data"])
def test_a_listing_by_owner_shows_nobody_more_than_it_may_see(client: FlaskClient, callers: Callers, path: str) -> None:
    mine = ingest(client, [1], headers=callers.headers("one"))
    other = ingest(client, [2], headers=callers.headers("two"))

    def listed(name: str, owner: str) -> list[str] | dict[str, str]:
        answer = client.get(f"{path}?owner={owner}", headers=callers.headers(name))
        if answer.status_code == 422:
            return {fault["pointer"]: fault["detail"] for fault in answer.json["errors"]}
        return [one["ingestion_id"] for one in answer.json["ingestions"]]

    assert listed("operator", "one") == [mine]
    assert listed("operator", "two") == [other]
    assert listed("operator", "nobody") == []
    assert listed("one", "one") == [mine]
    refused = {"query owner": "owner can be nobody but you, unless your key may operate."}
    assert listed("one", "two") == listed("one", "nobody") == listed("reader", "one") == refused
    assert listed("operator", "") == {"query owner": "owner must be printable text of 1 to 255 characters."}


def test_the_queue_shows_only_own_batches_to_who_is_no_operator(client: FlaskClient, callers: Callers) -> None:
    ingest(client, [1], headers=callers.headers("one"))
    ingest(client, [2], headers=callers.headers("two"))
    service_of(client.application).store.report(WorkerReport("w", "a-host", 4711, "1.2.3", 4, 0, 0))
    for name, ids in (("one", [[1]]), ("two", [[2]]), ("reader", []), ("operator", [[1], [2]])):
        document = client.get("/queue", headers=callers.headers(name)).json
        assert [batch["ids"] for batch in document["next"]] == ids
        assert document["waiting"] == 2
        assert len(document["workers"]) == (name == "operator")


def test_who_is_paused_is_shown_to_operators_and_to_who_is(client: FlaskClient, callers: Callers) -> None:
    for name in ("one", "two"):
        client.post(f"/queue/pause?owner={name}", headers=callers.headers("operator"))
    shown = {"one": ["one"], "two": ["two"], "reader": [], "operator": ["one", "two"]}
    for name, owners in shown.items():
        assert client.get("/queue", headers=callers.headers(name)).json["paused_owners"] == owners
        page = client.get("/dashboard/data", headers=callers.headers(name)).json
        assert page["paused_owners"] == owners
        assert '"two"' in client.get("/dashboard/data", headers=callers.headers(name)).text or "two" not in owners
    quote = {"ids": [1], "priority": "HIGH"}
    assert client.post("/quote", json=quote, headers=callers.headers("one")).json["HIGH"]["estimated_start"] is None
    assert client.post("/quote", json=quote, headers=callers.headers("operator")).json["HIGH"]["estimated_start"]


def test_what_each_caller_has_waiting_is_an_operators_business(callers: Callers) -> None:
    client = make_app(api_keys=callers.keys, fair=True).test_client()
    ingest(client, [1, 2, 3, 4], headers=callers.headers("one"))
    ingest(client, [5], headers=callers.headers("two"))
    one, two = ({"name": name, "priority": "HIGH", "waiting": count} for name, count in (("one", 2), ("two", 1)))
    for name, shown in (("one", [one]), ("two", [two]), ("reader", []), ("operator", [one, two])):
        for path in ("/queue", "/dashboard/data"):
            answer = client.get(path, headers=callers.headers(name))
            if answer.status_code == 200:
                told = [{member: of[member] for member in one} for of in answer.json["callers"]]
                assert told == shown
    quotes = {
        name: client.post("/quote", json={"ids": [9], "priority": "HIGH"}, headers=callers.headers(name)).json
        for name in ("one", "two", "operator")
    }
    assert [quote["HIGH"]["batches_ahead"] for quote in quotes.values()] == [3, 3, 1]


def test_an_idempotency_key_belongs_to_its_caller(client: FlaskClient, callers: Callers) -> None:
    one, two = (
        ingest(client, [1], headers={**callers.headers(name), "Idempotency-Key": "same"}) for name in ("one", "two")
    )
    assert one != two


def test_one_caller_with_two_keys_is_one_caller() -> None:
    (old, old_key), (new, new_key_), (look, look_key) = (
        new_key("one", role) for role in (Role.SUBMIT, Role.SUBMIT, Role.READ)
    )
    client = make_app(api_keys=f"{old_key}, {new_key_},{look_key}").test_client()
    ingestion_id = ingest(client, [1], headers={"Authorization": f"Bearer {old}"})
    for text in (old, new, look):
        headers = {"Authorization": f"Bearer {text}"}
        assert client.get(f"/status/{ingestion_id}", headers=headers).status_code == 200


# -- quota --


def test_a_caller_over_its_quota_is_told_when_to_come_again(callers: Callers) -> None:
    client = make_app(api_keys=callers.keys, key_quota=3).test_client()
    ingest(client, [1, 2], headers=callers.headers("one"))
    response = client.post("/ingest", json={"ids": [3, 4], "priority": "LOW"}, headers=callers.headers("one"))
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"
    assert "2 of your ids are waiting and at most 3 may" in response.json["detail"]
    ingest(client, [3, 4], headers=callers.headers("two"))


# -- the browser --


def test_a_key_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use(
    client: FlaskClient, callers: Callers
) -> None:
    response = client.post("/login", json={"key": callers.texts["one"]})
    assert response.json == {"name": "one", "role": "submit"}
    cookie = response.headers["Set-Cookie"]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Strict" in cookie
    assert "; Path=/" in cookie
    assert "Secure" not in cookie
    assert "Expires" not in cookie
    assert client.get("/login").json == {"name": "one", "role": "submit"}
    ingest(client, [1])
    assert client.post("/logout").status_code == 204
    assert client.get("/login").status_code == 401


@pytest.mark.parametrize("options", [{"base_url": "https://localhost"}, {"headers": {"X-Forwarded-Proto": "https"}}])
def test_over_https_the_cookie_stays_on_https(
    client: FlaskClient, callers: Callers, options: dict[str, object]
) -> None:
    response = client.post("/login", json={"key": callers.texts["one"]}, **options)
    assert "; Secure" in response.headers["Set-Cookie"]


def test_the_cookie_is_for_the_instances_own_paths(callers: Callers) -> None:
    app = Flask("host")
    app.config.update(TWO_API_KEYS=callers.keys, TWO_AUTOSTART=False)
    IngestionAPI(app, name="two", url_prefix="/in/two")
    response = app.test_client().post("/in/two/login", json={"key": callers.texts["one"]})
    assert response.headers["Set-Cookie"].startswith("two_key=")
    assert "; Path=/in/two/" in response.headers["Set-Cookie"]


@pytest.mark.parametrize("body", ["[]", "{}", '{"key": 1}', '{"key": "x", "more": 1}'])
def test_a_login_that_is_no_login_is_told_so(client: FlaskClient, body: str) -> None:
    assert client.post("/login", data=body).status_code == 422


def test_a_wrong_key_gets_no_cookie(client: FlaskClient) -> None:
    response = client.post("/login", json={"key": "guess"})
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_a_page_of_another_site_changes_nothing(callers: Callers, headers: dict[str, str], keyed: bool) -> None:
    app = make_app(api_keys=callers.keys if keyed else [])
    client = app.test_client()
    if keyed:
        client.post("/login", json={"key": callers.texts["operator"]})
    for method, path in routes_of(app):
        if method == "POST":
            assert client.open(path.replace("{id}", NOBODY), method=method, headers=headers).status_code == 403
    assert not service_of(app).store.stats().paused


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}])
def test_the_own_page_may(callers: Callers, headers: dict[str, str]) -> None:
    client = make_app(api_keys=callers.keys).test_client()
    client.post("/login", json={"key": callers.texts["operator"]})
    assert client.post("/queue/pause", headers=headers).status_code == 200


# -- headers --


@pytest.mark.parametrize("path", ["/queue", "/livez", "/ingestions", f"/status/{NOBODY}", "/no-such-page"])
def test_every_answer_has_the_security_headers(client: FlaskClient, callers: Callers, path: str) -> None:
    for headers in ({}, callers.headers("operator")):
        response = client.get(path, headers=headers)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["Cache-Control"] == "no-store"


def test_an_answer_with_an_etag_is_asked_about_again(client: FlaskClient, callers: Callers) -> None:
    ingestion_id = ingest(client, [1], headers=callers.headers("one"))
    response = client.get(f"/status/{ingestion_id}", headers=callers.headers("one"))
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_the_hosts_own_pages_are_left_alone(callers: Callers) -> None:
    app = Flask("host")
    app.config.update(INGEST_API_KEYS=callers.keys, INGEST_AUTOSTART=False)
    IngestionAPI(app, url_prefix="/in")
    app.add_url_rule("/", view_func=lambda: "hello")
    response = app.test_client().get("/")
    assert response.text == "hello"
    assert "Content-Security-Policy" not in response.headers


# -- the setting --


def test_keys_are_read_from_text_and_from_a_list() -> None:
    text, key = new_key("ci-1.x", Role.SUBMIT)
    assert str(key) == f"ci-1.x:submit:{hashlib.sha256(text.encode()).hexdigest()}"
    for value in (str(key), f" {key} ,", [str(key)], [key]):
        assert parse_keys(value) == (key,)
    assert parse_keys("") == ()
    assert find_key([key], text) == key
    assert find_key([key], text + "x") is None


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("s3cret", "entry 1 "),
        ("one:s3cret:" + "0" * 64, "the role of entry 1"),
        ("one:submit:s3cret", "entry 1 does not end with a SHA-256"),
        (f"one:read:{'0' * 64}, t/wo:read:{'1' * 64}", "entry 2 does not start with a name"),
        (f"one:read:{'a' * 64}, two:read:{'A' * 64}", "entry 2 is the same key"),
        (7, "neither text nor a list"),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(value: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        settings(api_keys=value)
    assert "INGEST_API_KEYS" in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_an_open_service_may_listen_to_this_machine(host: str) -> None:
    refuse_open(settings(host=host), services_of(make_app().extensions))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "127.0.0.1.example.org"])
def test_an_open_service_does_not_listen_to_others_unless_told_to(host: str) -> None:
    services = services_of(make_app().extensions)
    with pytest.raises(ConfigError, match=r"INGEST_API_KEYS.*INGEST_ALLOW_OPEN=1"):
        refuse_open(settings(host=host), services)
    refuse_open(settings(host=host, allow_open="1"), services)
    refuse_open(settings(host=host), services_of(make_app(api_keys=str(new_key("one", Role.READ)[1])).extensions))


def test_the_standalone_service_does_not_start_open_to_others() -> None:
    environ = {**os.environ, "INGEST_HOST": "0.0.0.0", "INGEST_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "wsgi.py"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "INGEST_HOST is '0.0.0.0'" in done.stderr


HOST = """
import flask, app as ours
made = flask.Flask("host")
made.config.update({config!r})
ours.IngestionAPI(made)
"""


def test_of_an_app_that_we_serve_it_is_its_own_settings_that_count(tmp_path: Path) -> None:
    key = str(new_key("one", Role.READ)[1])
    environ = {"INGEST_HOST": "0.0.0.0", "INGEST_PORT": "0", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = ["-m", "flask", "--app", "host:made", "ingestion", "serve"]
    (tmp_path / "host.py").write_text(HOST.format(config={}))
    with Command(*command, environ={**environ, "INGEST_API_KEYS": key}) as open_one:
        open_one.wait_for("there are no INGEST_API_KEYS")
        assert open_one.end() == 2
    (tmp_path / "host.py").write_text(HOST.format(config={"INGEST_API_KEYS": key}))
    with Command(*command, environ=environ) as keyed:
        keyed.wait_for("serving on")


def test_a_new_key_is_printed_once_and_works() -> None:
    result = CliRunner().invoke(keys_command, ["new", "nightly", "--role", "operate"])
    assert result.exit_code == 0
    (text,) = result.stdout.split()
    entry = result.stderr.split()[-1]
    assert text not in result.stderr
    client = make_app(api_keys=entry).test_client()
    response = client.get("/login", headers={"Authorization": f"Bearer {text}"})
    assert response.json == {"name": "nightly", "role": "operate"}


def test_a_name_that_cannot_be_used_is_a_usage_error() -> None:
    result = CliRunner().invoke(keys_command, ["new", "two words"])
    assert result.exit_code == 2
    assert "two words" in result.stderr


def test_no_key_is_ever_logged_or_shown(
    app: Flask, client: FlaskClient, callers: Callers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = callers.texts["operator"]
    answers = [
        client.post("/login", json={"key": secret}),
        client.post("/login", json={"key": "guessed-" + secret}),
        client.get("/queue", headers={"Authorization": f"Bearer x{secret}"}),
        client.get("/no-such-page", headers=callers.headers("operator")),
        client.post("/ingest", data=secret, headers=callers.headers("operator")),
    ]
    shown = "".join(answer.text for answer in answers) + repr(service_of(app).settings) + caplog.text
    assert "wrong key" in caplog.text
    assert secret not in shown
    assert all(key.digest.hex() not in shown and repr(key.digest) not in shown for key in callers.keys)
