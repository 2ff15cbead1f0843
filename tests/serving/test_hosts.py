"""Which hosts the service answers to, so that no page can have its own name resolve to this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import ConfigError, IngestionAPI, create_app
from app.keys import Role
from tests.support.standalone import Service
from tests.support.web import Callers

CALLERS = Callers(("operator", Role.OPERATE))
HOSTILE = [
    "rebound.example",
    "rebound.example:{port}",
    "localhost.rebound.example",
    "rebound.example:{port}:{port}",
    "localhost:1",
    "localhost.",
    "localhost:{port}.rebound.example",
    "rebound.example#@localhost:{port}",
    "rebound.example, localhost:{port}",
    "0.0.0.0:{port}",
    "[::1].rebound.example",
    "[::ffff:127.0.0.1]:{port}",
    "",
    "loc\xe4lhost",
]
KNOWN = ["localhost", "LocalHost:{port}", "127.0.0.1", "127.0.0.1:{port}", "[::1]", "[::1]:{port}"]


def ask(
    service: Service, host: str, path: str = "/queue/pause", method: str = "POST"
) -> tuple[int, dict[str, str], Any]:
    """The status, headers and JSON of the answer to a request with this Host, on a socket of its own."""
    line = f"Host: {host.format(port=service.port)}\r\n" if host != "no header" else ""
    request = f"{method} {path} HTTP/1.{int(bool(line))}\r\n{line}Content-Length: 0\r\nConnection: close\r\n\r\n"
    with service.raw(request.encode("latin-1")) as connection, connection.makefile("rb") as answer:
        head, _, body = answer.read().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), json.loads(body)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.mark.parametrize("host", HOSTILE)
def test_an_open_service_answers_to_no_other_name(service: Service, host: str) -> None:
    for method, path in (("GET", "/ingestions"), ("POST", "/queue/pause"), ("GET", "/nowhere"), ("GET", "/dashboard")):
        status, headers, document = ask(service, host, path, method)
        assert (status, headers["Content-Type"]) == (421, "application/problem+json")
        assert "add it to INGEST_TRUSTED_HOSTS" in document["detail"]
        assert document["detail"].isprintable()
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert service.call("GET", "/queue")["paused"] is False


@pytest.mark.parametrize("host", [*KNOWN, "no header"])
def test_it_answers_to_its_own_names_at_its_port(service: Service, host: str) -> None:
    assert ask(service, host, "/queue/resume")[0] == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_answered_under_any_name(service: Service, path: str) -> None:
    status, _, document = ask(service, "10.1.2.3:8000", path, "GET")
    assert (status, document["status"]) == (200, "ok")


def test_the_address_it_listens_on_is_a_name_of_it() -> None:
    client = create_app({"INGEST_AUTOSTART": False, "INGEST_HOST": "::2"}).test_client()
    assert client.get("/queue", base_url="http://[::2]:80").status_code == 200
    assert client.get("/queue", base_url="http://[::3]:80").status_code == 421


def test_behind_a_proxy_it_answers_to_the_name_that_is_set() -> None:
    with Service(INGEST_TRUSTED_HOSTS="jobs.example.org, jobs.example.org:8443") as service:
        for host in ("jobs.example.org", "Jobs.Example.org:{port}", "jobs.example.org:8443"):
            assert ask(service, host)[0] == 200
        for host in ("localhost:{port}", "jobs.example.org:9", "a.jobs.example.org"):
            assert ask(service, host)[0] == 421


def answers(host: str, **settings: Any) -> int:
    config = {"INGEST_AUTOSTART": False, **{f"INGEST_{key.upper()}": value for key, value in settings.items()}}
    client = create_app(config).test_client()
    return client.get("/queue", headers={"Host": host, **CALLERS.headers("operator")}).status_code


@pytest.mark.parametrize("settings", [{"api_keys": CALLERS.keys}, {"allow_open": True}])
def test_where_keys_or_a_proxy_say_who_calls_it_answers_to_any_name_unless_some_are_set(settings: Any) -> None:
    assert answers("jobs.example.org", **settings) == 200
    assert answers("jobs.example.org", **settings, trusted_hosts="jobs.example.org") == 200
    assert answers("rebound.example", **settings, trusted_hosts="jobs.example.org") == 421


@pytest.mark.parametrize("value", ["https://jobs.example.org", "*", "jobs.example.org:0", "a b"])
def test_what_is_no_host_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError, match="INGEST_TRUSTED_HOSTS must be hosts such as"):
        create_app({"INGEST_TRUSTED_HOSTS": value})


@pytest.fixture
def embedded() -> FlaskClient:
    app = Flask("host")
    app.config.update(INGEST_AUTOSTART=False, INGEST_TRUSTED_HOSTS="other.example", TRUSTED_HOSTS=["host.example"])
    IngestionAPI(app, url_prefix="/ingestion")
    return app.test_client()


def test_embedded_the_hosts_own_setting_counts(embedded: FlaskClient) -> None:
    assert embedded.get("/ingestion/queue", base_url="http://host.example").status_code == 200
    for name in ("other.example", "rebound.example", "localhost"):
        answer = embedded.post("/ingestion/queue/pause", base_url=f"http://{name}")
        assert answer.status_code == 400
    assert embedded.get("/ingestion/queue", base_url="http://host.example").get_json()["paused"] is False
