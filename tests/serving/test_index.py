"""What the service says at its root, and of what it does not have, by itself and embedded."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import IngestionAPI, create_app
from app.naming import release
from app.web.near import near

LISTED = "/openapi.json lists what there is, and /docs is that as a page."
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


def test_below_a_path_it_leads_there(client: FlaskClient) -> None:
    answer = client.get("/", base_url="http://localhost/in")
    assert answer.json
    assert all(link.startswith("/in/") for link in answer.json["links"].values())
    answer = client.get("/", base_url="http://localhost/in", headers={"Accept": BROWSER})
    assert answer.headers["Location"] == "/in/dashboard"


def test_a_path_that_is_not_there_is_named(client: FlaskClient) -> None:
    answer = client.get("/nope")
    assert answer.status_code == 404
    assert answer.json
    assert answer.json["detail"] == f"There is no /nope here; {LISTED}"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/ingests", "/ingest"),
        ("/ingestion", "/ingestions"),
        ("/queue/", "/queue"),
        ("/queue/puase", "/queue/pause"),
        ("/result/12%20ab", "/results/12%20ab"),
        ("/Status/12ab/cancell", "/status/12ab/cancel"),
        ("/status/12ab/callback/redrives", "/status/12ab/callback/redrive"),
    ],
)
def test_a_path_that_is_almost_there_is_told_what_may_be_meant(client: FlaskClient, path: str, meant: str) -> None:
    assert client.get(path).get_json()["detail"] == f"There is no {path} here; did you mean {meant}? {LISTED}"


@pytest.mark.parametrize(
    "path", ["/", "/status", "/status/12ab/foo", "/queue/pause/now", "/statistics/1", f"/ingests{'/' * 200}"]
)
def test_what_is_far_from_any_path_is_taken_for_none(path: str) -> None:
    assert near(path) is None


def test_a_path_is_repeated_as_a_path_and_not_without_end(client: FlaskClient) -> None:
    answer = client.get("/<b>%0A" + "x" * 5000)
    assert answer.get_json()["detail"].startswith("There is no /%3Cb%3E%0Axxx")
    assert len(answer.text) < 500


def test_a_method_that_is_not_taken_is_named_with_those_that_are(client: FlaskClient) -> None:
    answer = client.get("/ingest")
    assert answer.status_code == 405
    assert answer.json
    assert answer.json["detail"] == "/ingest takes OPTIONS, POST, not GET."
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_a_file_of_the_dashboard_that_is_not_there_is_named(client: FlaskClient) -> None:
    answer = client.get("/dashboard/submit").text
    (folder,) = set(re.findall(r"/dashboard/static-[0-9a-f]+", answer))
    assert client.get(f"{folder}/nope.js").get_json()["detail"] == f"There is no {folder}/nope.js here."


@pytest.fixture
def host() -> FlaskClient:
    app = Flask("host")
    app.config["INGEST_AUTOSTART"] = app.config["TWO_AUTOSTART"] = False
    IngestionAPI(app, url_prefix="/ingestion/")
    IngestionAPI(app, name="two", url_prefix="/in/two")
    app.add_url_rule("/ingestion/own/", view_func=lambda: "own", endpoint="own")
    return app.test_client()


@pytest.mark.parametrize("path", ["/ingestion", "/ingestion/", "/ingestion/nope", "/ingestion/dashboard/nope"])
def test_below_its_prefix_an_instance_names_a_path_that_is_not_there(host: FlaskClient, path: str) -> None:
    answer = host.get(path, environ_overrides={"SCRIPT_NAME": "/mounted"})
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.get_json()["detail"] == (
        f"There is no /mounted{path} here; {LISTED.replace('/', '/mounted/ingestion/')}"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert host.get("/ingestion/openapi.json").status_code == 200


def test_below_its_prefix_an_instance_says_what_may_be_meant(host: FlaskClient) -> None:
    answer = host.get("/in/two/queues", environ_overrides={"SCRIPT_NAME": "/mounted"})
    assert "; did you mean /mounted/in/two/queue? /mounted/in/two/openapi.json lists" in answer.get_json()["detail"]


def test_below_its_prefix_an_instance_names_the_methods_that_are_taken(host: FlaskClient) -> None:
    answer = host.get("/in/two/ingest")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert answer.get_json()["detail"] == "/in/two/ingest takes OPTIONS, POST, not GET."


def test_a_filter_that_is_not_there_is_named_below_a_prefix_too(host: FlaskClient) -> None:
    answer = host.get("/ingestion/ingestions?stauts=failed")
    assert answer.status_code == 422
    assert "this takes status, priority, owner, failed, since, until, limit, cursor" in answer.get_json()["detail"]


@pytest.mark.parametrize("path", ["/", "/nope", "/ingestions", "/in", "/in/twofold"])
def test_what_a_host_has_not_is_for_the_host_to_say(host: FlaskClient, path: str) -> None:
    answer = host.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_what_a_host_has_below_a_prefix_is_its_own(host: FlaskClient) -> None:
    assert host.get("/ingestion/own/").text == "own"
    assert "Content-Security-Policy" not in host.get("/ingestion/own").headers
    assert host.get("/ingestion/own", follow_redirects=True).text == "own"


def test_a_host_keeps_its_own_root(client: FlaskClient) -> None:
    host = Flask("host")
    host.config["INGEST_AUTOSTART"] = False
    IngestionAPI(host)
    assert host.test_client().get("/").status_code == 404
    assert client.get("/").status_code == 200
