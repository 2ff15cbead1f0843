"""Several queues in one service: each on its own, and the root speaks for all."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from flask.testing import FlaskClient
from prometheus_client.openmetrics import parser as openmetrics

from app import ConfigError, IngestionAPI, create_app
from app.cli.commands import ingestion as command_line
from app.config import Settings
from app.keys import Role, new_key
from app.service import services_of
from app.web import refuse_open
from tests.support.standalone import Service
from tests.support.work import work_of

BOTH = {"INGEST_QUEUES": "crm,geo", "TESTING": True, "CRM_INTERVAL": 60, "GEO_BATCH_SIZE": "7"}
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
BODY = {"ids": [1, 2, 3, 4], "priority": "HIGH"}


@pytest.fixture
def app() -> Flask:
    return create_app(BOTH)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_each_has_its_routes_and_settings_and_falls_back_to_defaults(app: Flask, client: FlaskClient) -> None:
    crm, geo = (app.extensions[name].settings for name in ("crm", "geo"))
    assert (crm.interval, crm.batch_size) == (60, 3)
    assert (geo.interval, geo.batch_size) == (5, 7)
    assert "ingest" not in app.extensions
    for name, batches in (("crm", 2), ("geo", 1)):
        answer = client.post(f"/{name}/ingest", json=BODY)
        assert answer.headers["Location"].startswith(f"/{name}/status/")
        assert client.get(answer.headers["Location"]).json["batch_count"] == batches
    for path in ("/ingest", f"/geo/status/{client.post('/crm/ingest', json=BODY).json['ingestion_id']}"):
        assert client.post(path, json=BODY).status_code in (404, 405)


def test_the_environment_is_read_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (("INGEST_QUEUES", "crm"), ("CRM_INTERVAL", "7"), ("CRM_EAGER", "1"), ("GEO_INTERVAL", "8")):
        monkeypatch.setenv(key, value)
    app = create_app()
    assert app.extensions["crm"].settings.interval == 7
    assert "geo" not in app.extensions


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"CRM_INTERVALL": 5}, "CRM_INTERVALL is not a setting; did you mean CRM_INTERVAL"),
        ({"CRM_INTERVAL": "fast"}, "CRM_INTERVAL must be a number of seconds"),
        ({"INGEST_INTERVAL": 5}, "INGEST_INTERVAL says nothing beside INGEST_QUEUES.*: CRM_INTERVAL, GEO_INTERVAL"),
        ({"INGEST_QUEUES": "crm,CRM"}, "INGEST_QUEUES must be .*'CRM' cannot be one"),
        ({"INGEST_QUEUES": "crm,metrics"}, "'metrics' cannot be one"),
        ({"INGEST_QUEUES": "crm, crm"}, "'crm' is there twice"),
        ({"INGEST_QUEUES": 7}, "INGEST_QUEUES must be names such as crm,geo"),
        ({"INGEST_QUEUE": "crm"}, "INGEST_QUEUE is not a setting; did you mean INGEST_QUEUES"),
        ({"CRM_QUEUES": "a"}, "CRM_QUEUES is for the standalone service"),
    ],
)
def test_a_wrong_key_is_named(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        create_app({**BOTH, **config})


def test_a_key_of_no_queue_is_named_and_one_of_others_is_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for key in ("CMR_INTERVAL", "GEO_PORT", "BILLING_INTERVAL", "INTERVAL", "PGSTORE"):
        monkeypatch.setenv(key, "tcp://10.0.0.1:80")
    wrong = {"CRADS_STORE": "memory://", "INGEST_CRM_INTERVAL": 3, "INGEST_CARD_LIMITS": "1/s", "INGEST_BAR_STORE": ""}
    create_app({**BOTH, "INGEST_QUEUES": "crm,geo,cards", **wrong})
    assert "CRADS_STORE is a key of no queue; did you mean CARDS_STORE?" in caplog.text
    assert "INGEST_CRM_INTERVAL is a key of no queue; did you mean CRM_INTERVAL?" in caplog.text
    assert "INGEST_CARD_LIMITS is a key of no queue; did you mean CARDS_LIMITS?" in caplog.text
    assert "GEO_PORT is not read: INGEST_PORT is for all queues" in caplog.text
    assert "BAR_STORE" not in caplog.text
    assert "BILLING" not in caplog.text


def test_they_share_the_store_of_the_whole_unless_they_name_their_own(tmp_path: Path) -> None:
    whole, own = f"sqlite:///{tmp_path}/all.db", f"sqlite:///{tmp_path}/geo.db"
    app = create_app({"TESTING": True, "INGEST_QUEUES": "crm,geo,cards", "INGEST_STORE": whole, "GEO_STORE": own})
    found = {name: app.extensions[name].settings.store for name in ("crm", "geo", "cards")}
    assert found == {"crm": whole, "geo": own, "cards": whole}
    for name in ("crm", "cards"):
        app.extensions[name].submit([1], "HIGH")
        assert len(app.extensions[name].store.ingestions()) == 1


def test_the_name_of_a_queue_may_begin_that_of_another(caplog: pytest.LogCaptureFixture) -> None:
    own = {"CRM_MAX_BACKLOG_SECONDS": 60, "CRM_EU_MAX_BACKLOG_SECONDS": 90, "CRM_EU_PORT": 1}
    app = create_app({"TESTING": True, "INGEST_QUEUES": "crm,crm_eu", **own})
    found = {name: app.extensions[name].settings.max_backlog_seconds for name in ("crm", "crm_eu")}
    assert found == {"crm": 60, "crm_eu": 90}
    assert "CRM_EU_PORT is not read: INGEST_PORT is for all queues" in caplog.text


def test_a_host_makes_its_queues_itself() -> None:
    host = Flask("host")
    host.config["INGEST_QUEUES"] = "crm"
    with pytest.raises(ConfigError, match="INGEST_QUEUES is for the standalone service"):
        IngestionAPI(host)


def test_without_it_the_service_is_as_it_was() -> None:
    client = create_app({"TESTING": True}).test_client()
    assert client.get("/").json["links"]["submit"] == "/ingest"
    assert 'aria-label="Queues"' not in client.get("/dashboard").text


def test_a_worker_is_told_which_queues_there_are(app: Flask) -> None:
    told = CliRunner().invoke(command_line, ["worker"], obj=ScriptInfo(create_app=lambda: app))
    assert told.exit_code == 2
    assert "no ingestion named 'ingest'; those are crm, geo; name one with --queue." in told.output


def test_the_index_names_the_queues(client: FlaskClient) -> None:
    index = client.get("/").json
    assert index["queues"] == {"crm": "/crm/ingest", "geo": "/geo/ingest"}
    for link in index["links"].values():
        assert client.get(link, follow_redirects=True).status_code == 200, link
    assert client.get("/", headers=BROWSER).headers["Location"] == "/dashboard"
    refused = client.get("/nope").json
    listed = "/openapi.json lists what there is, and /docs is that as a page."
    assert refused["detail"] == f"There is no /nope here; each queue is below its name, /crm and /geo; {listed}"
    assert refused["queues"] == ["crm", "geo"]
    assert "queues" not in client.post("/livez").json
    assert "queues" not in client.get("/crm/nope").json
    assert "; did you mean /crm/queue? /crm/openapi.json lists" in client.get("/crm/queues").json["detail"]
    assert "mean" not in client.get("/ingests").json["detail"]


def test_below_a_path_its_links_are_too(client: FlaskClient) -> None:
    index = client.get("/", base_url="http://localhost/in").json
    assert index["queues"] == {"crm": "/in/crm/ingest", "geo": "/in/geo/ingest"}
    assert all(link.startswith("/in/") for link in index["links"].values())
    refused = client.get("/nope", base_url="http://localhost/in").json
    assert "each queue is below its name, /in/crm and /in/geo; /in/openapi.json lists" in refused["detail"]


def test_the_description_of_all_is_a_page_too(client: FlaskClient) -> None:
    page = client.get("/docs", environ_overrides={"SCRIPT_NAME": "/in"})
    assert (page.status_code, page.mimetype) == (200, "text/html")
    for name in ("crm", "geo"):
        assert f'id="{name}_submit"' in page.text
        assert f"http://localhost/in/{name}/ingest" in page.text
        assert f'href="#{name}_Submission"' in page.text
    for link in set(re.findall(r'(?:href|src)="/in(/[^"]+)"', page.text)):
        with client.get(link, follow_redirects=True) as answer:
            assert answer.status_code == 200, link


def test_one_dashboard_leads_to_another(client: FlaskClient) -> None:
    page = client.get("/dashboard", follow_redirects=True)
    assert page.request.path == "/crm/dashboard/queues"
    assert '<a href="/crm/dashboard/queues" aria-current="page">All queues</a>' in page.text
    one = client.get("/crm/dashboard").text
    assert '<a href="/crm/dashboard" aria-current="true">crm</a><a href="/geo/dashboard">geo</a>' in one


def test_the_metrics_are_one_document(client: FlaskClient) -> None:
    client.post("/geo/ingest", json=BODY)
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    families = {one.name: one for one in openmetrics.text_string_to_metric_families(answer.text)}
    counted = [one for one in families["ingestion_submissions"].samples if one.name.endswith("_total")]
    high = {one.labels["queue"]: one.value for one in counted if one.labels["priority"] == "HIGH"}
    assert high == {"crm": 0, "geo": 1}
    assert {one.labels["queue"] for one in families["ingestion_waiting_batches"].samples} == {"crm", "geo"}
    if shutil.which("promtool"):
        text = client.get("/metrics").text
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True, timeout=60)


def test_the_metrics_are_those_of_the_queues_that_a_key_opens(caplog: pytest.LogCaptureFixture) -> None:
    keys = {name: new_key("one", Role.READ) for name in ("crm", "geo")}
    client = create_app(
        {**BOTH, **{f"{name.upper()}_API_KEYS": str(key) for name, (_, key) in keys.items()}}
    ).test_client()
    assert client.get("/metrics").status_code == 401
    text = client.get("/metrics", headers={"Authorization": f"Bearer {keys['geo'][0]}"}).text
    assert 'queue="geo"' in text
    assert 'queue="crm"' not in text
    assert "wrong key" not in caplog.text, "it is the right key of one of them"
    assert client.get("/metrics", headers={"Authorization": "Bearer none"}).status_code == 401
    assert "wrong key" in caplog.text


def test_to_ask_for_the_description_again_costs_little() -> None:
    client = create_app({**BOTH, "CRM_MAX_IDS": 123_456}).test_client()
    first, again = (work_of(lambda: client.get("/openapi.json")) for _ in range(2))
    assert again < first / 4


def test_the_description_is_one_document_and_true_for_each(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    operations = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(operations) == len(set(operations))
    assert {"crm_submit", "geo_submit"} <= set(operations)
    tags = {tag["name"] for tag in document["tags"]}
    for item in document["paths"].values():
        for operation in item.values():
            assert set(operation["tags"]) <= tags
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    for name in ("crm", "geo"):
        status = client.get(client.post(f"/{name}/ingest", json=BODY).headers["Location"]).json
        alone = client.get(f"/{name}/openapi.json").json
        assert {path.removeprefix(f"/{name}") for path in document["paths"] if path.startswith(f"/{name}/")} == set(
            alone["paths"]
        )
        schema = {"$ref": f"#/components/schemas/{name}_Status", "components": document["components"]}
        assert jsonschema_rs.validator_for(schema).is_valid(status)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for one in node.values():
            yield from references(one)
    elif isinstance(node, list):
        for one in node:
            yield from references(one)


def test_the_service_is_well_where_every_queue_is(app: Flask, client: FlaskClient) -> None:
    for probe in ("/livez", "/readyz"):
        assert client.get(probe).status_code == 200
    app.extensions["geo"].begin_shutdown()
    assert client.get("/readyz").status_code == 503
    assert client.get("/crm/readyz").status_code == 200


def test_a_queue_without_keys_is_not_open_to_others() -> None:
    key = str(new_key("one", Role.READ)[1])
    config: dict[str, Any] = {"INGEST_QUEUES": "crm,geo", "INGEST_HOST": "0.0.0.0", "CRM_API_KEYS": key}
    settings = Settings.read(config)
    with pytest.raises(ConfigError, match="there are no GEO_API_KEYS"):
        refuse_open(settings, services_of(create_app({**config, "TESTING": True}).extensions))
    refuse_open(settings, services_of(create_app({**config, "TESTING": True, "GEO_API_KEYS": key}).extensions))


def test_the_command_line_speaks_to_the_queue_it_is_told_and_every_worker_starts_and_stops(tmp_path: Path) -> None:
    environ = {"INGEST_QUEUES": "crm,geo", "GEO_STORE": f"sqlite:///{tmp_path}/geo.db"}
    with Service(**environ) as service:
        url = f"http://127.0.0.1:{service.port}"
        for words in (["--queue", "geo", "submit", "1"], ["submit", "1", "--queue", "crm"]):
            done = CliRunner().invoke(command_line, ["--url", url, *words, "--wait"])
            assert done.exit_code == 0, done.output
        wrong = CliRunner().invoke(command_line, ["--url", url, "--queue", "gio", "queue"])
        assert "There is no /gio/queue here" in wrong.output
        without = CliRunner().invoke(command_line, ["--url", url, "queue"])
        assert "There is no /queue here" in without.output
        assert "This service has several queues; name one with --queue: crm, geo." in without.output
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    said = "\n".join(service.lines)
    assert "'crm' stopped; nothing was queued" in said
    assert "'geo' stopped; nothing was queued" in said
