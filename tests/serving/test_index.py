"""What the standalone service says at its root, and of what it does not have."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import IngestionAPI, create_app
from app.config import release

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client() -> FlaskClient:
    return create_app({"INGEST_AUTOSTART": False}).test_client()


def test_a_browser_gets_the_dashboard(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dashboard")
    assert client.get("/", headers={"Accept": BROWSER}, follow_redirects=True).mimetype == "text/html"


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_a_program_gets_an_index(client: FlaskClient, accept: str) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.json
    assert (answer.json["service"], answer.json["version"]) == ("Flask-Ingestion", release())
    for link in answer.json["links"].values():
        if "{" not in link and link != "/ingest":
            assert client.get(link, follow_redirects=True).status_code == 200, link
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_path_that_is_not_there_is_named(client: FlaskClient) -> None:
    answer = client.get("/statuses")
    assert answer.status_code == 404
    assert answer.json
    assert answer.json["detail"] == "There is no /statuses here; GET / lists what there is."


def test_a_method_that_is_not_taken_is_named_with_those_that_are(client: FlaskClient) -> None:
    answer = client.get("/ingest")
    assert answer.status_code == 405
    assert answer.json
    assert answer.json["detail"] == "/ingest takes OPTIONS, POST, not GET."
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_a_host_keeps_its_own_root(client: FlaskClient) -> None:

    host = Flask("host")
    host.config["INGEST_AUTOSTART"] = False
    IngestionAPI(host)
    assert host.test_client().get("/").status_code == 404
    assert client.get("/").status_code == 200
