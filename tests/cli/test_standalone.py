"""`serve`, `worker`, and how the command line is reached."""

from __future__ import annotations

import configparser
import importlib
import os
import re
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from app import create_app
from app.cli.commands import ingestion
from app.core.clock import SystemClock
from tests.support.cli import Service, run
from tests.support.command import ROOT, Command
from tests.support.host import Host, eventually


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, Any]:
    """Settings of a host whose store others may fill, on real time."""
    return {"store": f"sqlite:///{tmp_path}/queue.db", "clock": SystemClock()}


def work(host: Host, *options: str, **environ: str) -> Result:
    return run("worker", *options, url="", obj=ScriptInfo(create_app=lambda: host.app), environ=environ)


def test_beside_an_app_no_verb_loads_it(service: Service) -> None:
    def create_app() -> Flask:
        raise AssertionError("the app was loaded")

    group = FlaskGroup(create_app=create_app)
    group.add_command(ingestion)
    result = CliRunner().invoke(group, ["ingestion", "submit", "1", "--url", service.url])
    assert (result.exit_code, result.stderr) == (0, "")


def test_both_entry_points_lead_somewhere() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    points = setup["options.entry_points"]
    for group, lines in points.items():
        if group == "pytest11":  # a module; tests/test_plugin.py loads it
            continue
        target = lines.partition("=")[2].strip()
        module, _, name = target.replace("flask_ingestion", "app", 1).partition(":")
        assert callable(getattr(importlib.import_module(module), name))
    assert set(points) == {"console_scripts", "flask.commands", "pytest11"}


def test_serve_serves_and_dispatches() -> None:
    environ = {"INGEST_PORT": "0", "INGEST_INTERVAL": "0"}
    with Command("-m", "app", "serve", environ=environ) as command:
        url = command.wait_for("serving on").split()[-1]
        result = run("submit", "1", "--wait", url=url)
        assert result.exit_code == 0, result.stderr
        command.signal(signal.SIGTERM)
        assert command.end() == 0


def test_serve_refuses_a_wrong_setting() -> None:
    with Command("-m", "app", "serve", environ={"INGEST_INTERVAL": "soon"}) as command:
        command.wait_for("INGEST_INTERVAL must be a number of seconds")
        assert command.end() == 2


def test_worker_dispatches_until_told_to_stop(
    serve: Callable[..., Host], shared: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def last_of_two(ids: Sequence[int]) -> None:
        if 4 in ids:
            os.kill(os.getpid(), signal.SIGTERM)

    host = serve(last_of_two, interval=0, concurrency=1, **shared)
    ingestion_id = host.submit([1, 2, 3, 4]).id
    assert host.service.worker.state == "off"
    with caplog.at_level("INFO", "flask_ingestion"):
        result = work(host)
    assert (result.exit_code, result.stdout) == (0, "")
    began, stopping, stopped = (one for one in caplog.messages if re.search("at once|stopping;|stopped;", one))
    assert began == "the worker of 'ingest' runs up to 1 batch at once"
    assert re.fullmatch(r"SIGTERM: stopping; [01] batch(es)? in process, with \d+ s to end", stopping)
    assert stopped == "stopped; nothing was queued"
    assert host.ingestion.get(ingestion_id).status.value == "completed"
    assert host.service.worker.state == "off"


@pytest.mark.parametrize("options", [(), ("--listen",)])
def test_a_worker_that_dies_ends_the_command(
    serve: Callable[..., Host],
    shared: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: Sequence[str],
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise SystemExit("the store has a bug")

    host = serve(**shared)
    monkeypatch.setattr(host.store, "claim", broken)
    assert work(host, *options, INGEST_PORT="0").exit_code == 1
    assert "the worker of 'ingest' died" in caplog.text


def test_a_worker_can_be_probed_and_scraped(tmp_path: Path) -> None:
    environ = {"INGEST_STORE": f"sqlite:///{tmp_path}/queue.db", "INGEST_PORT": "0", "INGEST_INTERVAL": "0"}
    filler = create_app({**environ, "INGEST_AUTOSTART": "0"})
    assert filler.test_client().post("/ingest", json={"ids": [1, 2, 3], "priority": "LOW"}).status_code == 200
    with Command("-m", "app", "worker", "--listen", environ=environ) as command:
        url = command.wait_for("serving on").split()[-1]
        for probe in ("livez", "readyz"):
            assert httpx.get(f"{url}/{probe}").json() == {"status": "ok", "worker": "running"}
        counted = 'ingestion_batches_total{outcome="completed",priority="LOW",queue="ingest"} 1.0'
        eventually(lambda: counted in httpx.get(f"{url}/metrics").text)
        command.signal(signal.SIGTERM)
        assert command.end() == 0
    assert "stopped; nothing was queued" in command.output


def test_a_worker_that_other_machines_could_ask_wants_keys(serve: Callable[..., Host], shared: dict[str, Any]) -> None:
    result = work(serve(**shared), "--listen", INGEST_HOST="0.0.0.0", INGEST_PORT="0")
    assert result.exit_code == 2
    assert "there are no INGEST_API_KEYS" in result.stderr


def test_a_worker_says_why_it_cannot_listen(serve: Callable[..., Host], shared: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = work(serve(**shared), "--listen", INGEST_PORT=port)
    assert result.exit_code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}" in result.stderr


def test_a_worker_alone_with_its_memory_is_refused(serve: Callable[..., Host]) -> None:
    host = serve()
    result = run("worker", url="", obj=ScriptInfo(create_app=lambda: host.app))
    assert result.exit_code == 2
    assert "No other process can fill memory://; set INGEST_STORE to one that processes share." in result.stderr
    other = run("worker", "--name", "two", url="", obj=ScriptInfo(create_app=lambda: host.app))
    assert other.exit_code == 2
    assert "This app has no ingestion named 'two'" in other.stderr
