"""Which service a verb speaks to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup

from app import IngestionAPI
from app.cli.address import presumed
from app.cli.commands import ingestion
from app.core.clock import SystemClock
from tests.support.cli import Service, run
from tests.support.command import Command
from tests.support.host import Host
from tests.support.scripted import answer, problem, scripted

NOWHERE = "http://127.0.0.1:1"


def beside(app: Flask, *words: str, environ: Mapping[str, str] | None = None) -> Result:
    """`flask ingestion ...` beside an app."""
    group = FlaskGroup(False, lambda: app)
    group.add_command(ingestion)
    environ = {"INGEST_URL": "", "INGEST_KEY": "", "FLASK_RUN_PORT": "", **(environ or {})}
    return CliRunner(env=environ).invoke(group, ["ingestion", *words], prog_name="flask")


def make(*prefixes: tuple[str, str | None], **config: Any) -> Flask:
    app = Flask("host")
    app.config.update(config)
    for name, prefix in prefixes:
        app.config[f"{name.upper()}_AUTOSTART"] = False
        IngestionAPI(app, name=name, url_prefix=prefix)
    return app


def test_beside_an_app_it_is_the_apps_own_under_its_prefix(serve: Callable[..., Host]) -> None:
    host = serve(url_prefix="/in/ingestion", clock=SystemClock())
    service = Service(host)
    port = str(urlsplit(service.url).port)
    result = beside(host.app, "submit", "1", "2", environ={"FLASK_RUN_PORT": port})
    assert (result.exit_code, result.stderr) == (0, "")
    assert host.ingestion.get(result.stdout.strip()).id_count == 2
    service.close()


@pytest.mark.parametrize(
    ("app", "environ", "url", "name"),
    [
        (make(("ingest", "/in/")), {}, "http://127.0.0.1:5000/in", "ingest"),
        (make(("two", None)), {"FLASK_RUN_HOST": "127.0.0.2"}, "http://127.0.0.2:5000", "two"),
        (make(("two", "/two"), ("ingest", "/in")), {"FLASK_RUN_PORT": "1"}, "http://127.0.0.1:1/in", "ingest"),
        (
            make(("two", "/two"), SERVER_NAME="localhost:1", APPLICATION_ROOT="/jobs", PREFERRED_URL_SCHEME="https"),
            {},
            "https://localhost:1/jobs/two",
            "two",
        ),
    ],
)
def test_where_nobody_is_it_says_what_to_set(app: Flask, environ: dict[str, str], url: str, name: str) -> None:
    result = beside(app, "queue", "--retries", "0", environ=environ)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.splitlines() == [
        f"Error: {url}: Connection refused.",
        f"This is where `flask run` serves {name!r} of this app; if it is served elsewhere, set INGEST_URL, or --url.",
    ]


def test_of_several_instances_one_has_to_be_named() -> None:
    result = beside(make(("one", "/one"), ("two", "/two")), "queue")
    assert result.exit_code == 2
    assert (
        "This app has 'one' at http://127.0.0.1:5000/one, 'two' at http://127.0.0.1:5000/two; "
        "name one with --queue, or set INGEST_URL, or --url, to the one to call." in result.stderr
    )
    assert "This app has no ingestion; set INGEST_URL" in beside(Flask("host"), "queue").stderr


def test_without_an_app_it_says_what_to_set(tmp_path: Path) -> None:
    with Command("-m", "flask", "ingestion", "queue", cwd=tmp_path) as command:
        assert command.end() == 2
    assert "Or set INGEST_URL, or --url, to where a service runs." in command.output


def test_by_itself_it_is_the_default_port() -> None:
    with click.Context(ingestion) as group, click.Context(ingestion.commands["queue"], parent=group) as verb:
        url, why = presumed(verb)
    assert url == "http://127.0.0.1:8000"
    assert why == "This is the default; if the service is elsewhere, set INGEST_URL, or --url."


def test_an_address_without_the_prefix_is_told_so() -> None:
    with scripted(answer(404, b"<title>404 Not Found</title>")) as server:
        result = run("queue", url=server.url)
    assert result.stderr == (
        f"Error: {server.url} answers 404, but not as this service does; if it is embedded, "
        "its URL ends with its url_prefix.\n"
    )


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--url", "{url}", "--key", "before", "queue"), "before"),
        (("--url", "{url}", "queue"), "environment"),
        (("--url", NOWHERE, "--key", "before", "queue", "--url", "{url}", "--key", "behind"), "behind"),
        (("--key", "before", "queue", "--url", "{url}"), "before"),
    ],
)
def test_url_and_key_before_the_verb_behind_it_and_in_the_environment(words: tuple[str, ...], key: str) -> None:
    with scripted(problem(401, "No.")) as server:
        given = [word.format(url=server.url) for word in words]
        result = run(*given, url=NOWHERE, environ={"INGEST_KEY": "environment"})
    assert result.exit_code == 4
    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {key}"
