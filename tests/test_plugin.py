"""The plugin for pytest, as a host's suite sees it: in a process of its own."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

APP = """
import pytest
from flask import Flask
from flask_ingestion import IngestionAPI

class Clock:
    def now(self):
        return 0.0

    def wait(self, event, seconds):
        return event.wait(seconds)

def fetch(ids):
    raise AssertionError("the real upstream was called")

@pytest.fixture({scope})
def app():
    app = Flask("host")
    app.config.update(TESTING=True, INGEST_BACKOFF=0, PARTNER_INTERVAL=60, SWIFT_INTERVAL=0.6)
    ingestion = IngestionAPI(app)
    ingestion.processor(fetch)
    IngestionAPI(app, name="partner", url_prefix="/partner")
    IngestionAPI(app, name="swift", url_prefix="/swift")
    return app
"""

TESTS = """
from flask_ingestion import PermanentError

def submit(app, ids, priority="MEDIUM", root=""):
    return app.test_client().post(f"{root}/ingest", json={"ids": ids, "priority": priority}).json["ingestion_id"]

def test_when(app, ingestion_clock, ingestion_upstream):
    submit(app, [1, 2, 3, 4], "LOW")
    submit(app, [5], "HIGH")
    assert ingestion_upstream.calls == []
    assert ingestion_clock.run_until_idle() == 3
    assert [(call.after, call.ids) for call in ingestion_upstream.calls] == [(0, [5]), (5, [1, 2, 3]), (10, [4])]
    assert ingestion_clock.elapsed == 10
    assert ingestion_upstream.ids == [5, 1, 2, 3, 4]

def test_a_fraction_of_a_second_is_as_it_is_written(app, ingestion_clock, ingestion_upstream):
    ingestion_clock.advance(60.3)
    submit(app, list(range(1, 301)), root="/swift")
    ingestion_clock.run_until_idle()
    afters = [call.after for call in ingestion_upstream.calls]
    assert afters[:3] == [60.3, 60.9, 61.5]
    assert (afters[-1], ingestion_clock.elapsed) == (119.7, 119.7)

def test_each_instance_has_its_own_time(app, ingestion_clock, ingestion_upstream):
    ingestion_clock.advance(60)
    for root in ("", "/partner"):
        submit(app, [1, 2, 3, 4], root=root)
    ingestion_clock.run_until_idle()
    assert [(call.after, call.queue) for call in ingestion_upstream.calls] == [
        (60, "ingest"), (65, "ingest"), (60, "partner"), (120, "partner")
    ]

def test_what_an_instance_submits_to_another_runs_too(app, ingestion_clock, ingestion_upstream):
    def hand_on(ids):
        submit(app, ids)
        return ids
    ingestion_upstream.then(hand_on)
    submit(app, [1, 2], root="/partner")
    assert ingestion_clock.run_until_idle() == 2
    assert [(call.ids, call.queue) for call in ingestion_upstream.calls] == [([1, 2], "partner"), ([1, 2], "ingest")]

def test_within_a_minute_too_whichever_is_the_first(app, ingestion_clock, ingestion_upstream):
    for root, other in (("", "/partner"), ("/partner", "")):
        ingestion_clock.advance(600)
        before = ingestion_clock.elapsed
        ingestion_upstream.then(lambda ids: submit(app, [9], root=other))
        submit(app, [1], root=root)
        assert ingestion_clock.run_until_idle(seconds=59) == 2
        assert [call.ids for call in ingestion_upstream.calls[-2:]] == [[1], [9]]
        assert {call.after for call in ingestion_upstream.calls[-2:]} == {before}
        assert ingestion_clock.elapsed == before + 59

def test_what_starts_after_the_end_waits(app, ingestion_clock, ingestion_upstream):
    ingestion_clock.advance(600)
    ingestion_upstream.then(lambda ids: ingestion_clock.advance(100), None)
    submit(app, [1, 2, 3, 4])
    assert ingestion_clock.run_until_idle(seconds=60) == 1
    assert ingestion_clock.run_until_idle() == 1

def test_the_class_of_an_error_is_raised_too(app, ingestion_clock, ingestion_upstream):
    ingestion_upstream.then(RuntimeError)
    submit(app, [1])
    assert ingestion_clock.run_until_idle() == 2
    assert [call.attempt for call in ingestion_upstream.calls] == [1, 2]

def test_answers(app, ingestion_clock, ingestion_upstream):
    ingestion_clock.advance(600)
    ingestion_upstream.then(OSError("not now"), ["one"], lambda ids: {one: "two" for one in ids}, PermanentError("no"))
    one, two, three, four = (submit(app, [number]) for number in range(1, 5))
    ingestion_clock.run_until_idle()
    client = app.test_client()
    results = [client.get(f"/results/{one}").text for one in (one, two, three, four)]
    assert results == ['{"id":1,"data":"one"}\\n', '{"id":2,"data":"two"}\\n', "", '{"id":4,"data":"processed"}\\n']
    assert client.get(f"/status/{three}").json["status"] == "failed"
    assert [call.attempt for call in ingestion_upstream.calls][:2] == [1, 2]
"""


def pytest_says(folder: Path, app: str, tests: str) -> str:
    (folder / "conftest.py").write_text(app)
    (folder / "test_host.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "flask_ingestion.plugin"]
    command += ["-p", "no:cacheprovider", "-W", "error", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    return done.stdout + done.stderr


@pytest.mark.parametrize("scope", ["", 'scope="session"'], ids=["one a test", "one for all"])
def test_a_host_asserts_when_its_upstream_is_called(tmp_path: Path, scope: str) -> None:
    assert "8 passed" in pytest_says(tmp_path, APP.replace("{scope}", scope), TESTS)


def test_as_in_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "testing.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert "2 passed" in pytest_says(tmp_path, "", program)


def test_pytest_finds_it_once_the_package_is_installed() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    assert setup["options.entry_points"]["pytest11"].split(" = ") == ["\nflask_ingestion", "flask_ingestion.plugin"]


@pytest.mark.parametrize(
    ("app", "says"),
    [
        ("", "needs a fixture named app, which returns your Flask app"),
        (APP.replace("IngestionAPI(app", "dict(app=app"), "has no ingestion; call init_app before"),
        (APP.replace("TESTING=True", "INGEST_AUTOSTART=False"), "Set TESTING of the fixture app"),
        (
            APP.replace("IngestionAPI(app)", "IngestionAPI()\n    ingestion.init_app(app, clock=Clock())"),
            "'ingest' has a clock of its own, which ingestion_clock cannot advance",
        ),
    ],
    ids=["no app", "no instance", "no test", "another clock"],
)
def test_what_is_missing_is_said(tmp_path: Path, app: str, says: str) -> None:
    app = app.replace("{scope}", "").replace("ingestion.processor(fetch)", "")
    assert says in pytest_says(tmp_path, app, "def test_it(ingestion_clock):\n    pass\n")
