"""Every example in the README and in docs, run as it stands there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.clone import Block, Clone, blocks
from tests.support.command import Command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the examples are for a POSIX shell")

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

SERVE = "python3 -m venv .venv && .venv/bin/pip install -q '.[all]'"
"""The first line of the example that starts the service with which the others speak."""

SHOWS = {
    "curl -si localhost:8000/ingest": (
        rf'HTTP/1.1 200 OK\n(.*\n)*Location: /status/{UUID}\n(.*\n)*\n{{"ingestion_id":"{UUID}"}}$'
    ),
    "ID=$(curl -s localhost:8000/ingest": rf'HTTP/1.1 200 OK\n(.*\n)*\n{{"ingestion_id":"{UUID}","status":"',
    "curl -s localhost:8000/results/$ID": r'^({"id":6,"data":"processed"}\n{"id":7,"data":"processed"})?$',
    ".venv/bin/flask-ingestion submit": (
        rf"^{UUID}\n(.*\n)*completed: 2 completed\nHIGH +0 batches ahead, starts {TIME}, .*\n(.*\n)*"
        r"worker +running\n(.*\n)*\d+ dispatches, no limit: the rate and the order were kept$"
    ),
    ".venv/bin/flask-ingestion keys new importer": r"^\S{43}\n.*INGEST_API_KEYS:\nimporter:submit:[0-9a-f]{64}$",
    ".venv/bin/flask-ingestion db current": r"^none \(this release needs (\d+)\)\nnone -> \1$",
    "export INGEST_LIMITS='10/s, 600/min": "^$",
    "export INGEST_WEBHOOK_URL=": "^$",
    "export INGEST_WEBHOOK_HOSTS=": "^$",
    "export MALLOC_MMAP_THRESHOLD_=": "^$",
}
"""What the commands of an example print, by how one of its lines begins."""

CHECK = ".venv/bin/python -c 'import os; from flask_ingestion.config import Settings; Settings.read(os.environ)'"
"""Fails where what the examples exported is not valid."""

SERVES = ("INGEST_UPSTREAM_URL='",)
"""How a line of those begins that go on until they are stopped."""

NOT_RUN = {
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'": "it is what runs this test, in .ci/run too",
    ".venv/bin/pip install -q granian": "granian is compiled, and only the benchmarks require it",
    "INGEST_AUTOSTART=0 .venv/bin/granian": "the same",
    "pip install 'Flask-Ingestion[async]'": "it is installed by what runs this test",
    "openapi-python-client generate": "tests/client/test_generated.py does, and uses what comes of it",
    "export INGEST_UPSTREAM_URL='https://": "tests/upstreams runs the service with these settings",
    "docker ": "it needs a Docker engine; tests/test_container.py tries what can be tried without",
    ".venv/bin/python -m pytest -m soak tests/fault": "it takes a quarter of an hour",
    ".venv/bin/python -m benchmarks.store_throughput": "it takes minutes",
}
"""Why an example is not run here, by how one of its lines begins."""

OTHER = {"": "drawings", "ini": "systemd or Docker Compose", "nginx": "nginx", "yaml": "Prometheus"}
"""Languages that need a program which is not here."""


def key_of(block: Block, keys: Iterable[str]) -> str | None:
    """The key with which one of the block's lines begins."""
    return next((key for key in keys if f"\n{key}" in f"\n{block.text}"), None)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def url(clone: Clone) -> Iterator[str]:
    """Where the service runs that the README's first example starts."""
    (block,) = (one for one in blocks("sh") if one.first == SERVE)
    with clone.run(block.text, INGEST_PORT="0", INGEST_INTERVAL="0") as service:
        yield service.wait_for("serving on").split()[-1]


def test_every_example_is_run_or_says_why_it_is_not() -> None:
    for block in blocks("sh"):
        ways = [block.first == SERVE, *(key_of(block, keys) is not None for keys in (SHOWS, SERVES, NOT_RUN))]
        assert sum(ways) == 1, block
    text = "".join(block.text for block in blocks("sh"))
    assert [key for key in (*SHOWS, *SERVES, *NOT_RUN) if key not in text] == []


def test_other_languages_need_programs_that_are_not_here() -> None:
    assert {block.language for block in blocks()} <= {"sh", "python", "console", *OTHER}


def test_the_commands_print_what_they_should(clone: Clone, url: str) -> None:
    found = [block for block in blocks("sh") if key_of(block, SHOWS)]
    port = f":{urlsplit(url).port}"
    script = "\necho; echo '-- next --'\n".join(block.text.replace(":8000", port) for block in found)
    with clone.run(f"{script}\n{CHECK}", INGEST_URL=url) as command:
        code = command.end()
    printed = [part.strip() for part in command.output.split("-- next --")]
    for block, text in zip(found, printed, strict=False):
        key = key_of(block, SHOWS)
        assert key is not None
        assert re.search(SHOWS[key], text), f"{block.text}printed:\n{text}"
    assert (code, len(printed)) == (0, len(found)), command.output


@pytest.mark.parametrize("key", SERVES)
def test_what_goes_on_until_it_is_stopped_starts(clone: Clone, key: str) -> None:
    (block,) = (one for one in blocks("sh") if key_of(one, (key,)))
    with clone.run(block.text, INGEST_PORT="0") as command:
        command.wait_for("serving on")


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.first)
def test_a_session_prints_what_is_shown(clone: Clone, block: Block) -> None:
    shown = [line for line in block.text.splitlines() if not line.startswith("$ ")]
    commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    with clone.run("\n".join(commands)) as command:
        assert command.end() == 0, command.output
    pattern = re.sub(r"[\w-]*…", r"[\\w-]+", re.escape("\n".join(shown)))
    assert re.fullmatch(pattern, command.output), f"{pattern}\n{command.output}"


def python_blocks() -> dict[str, str]:
    """The examples in Python, each by a word that only it has.

    `tests/test_docs.py` runs the receiver of callbacks, `tests/client/test_docs.py` what is in client.md.
    """
    found = [one for one in blocks("python") if "webhook-signature" not in one.text and one.file != "docs/client.md"]
    words = ("Client(", "@ingestion.processor", "partner.init_app", "@ingestion_finished.connect")
    assert len(found) == len(words)
    return {word: next(block.text for block in found if word in block.text) for word in words}


def test_the_readmes_host_runs_and_says_when_an_ingestion_ends() -> None:
    found = python_blocks()
    program = "".join(
        found[word] for word in ("@ingestion.processor", "partner.init_app", "@ingestion_finished.connect")
    )
    program += """
import threading
over = threading.Event()

@ingestion_finished.connect
def last(*_, **__):
    over.set()

accepted = app.test_client().post("/nightly").json["ingestion"]
over.wait(20)
print(accepted)
print([rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/ingest")])
"""
    with Command("-W", "error", "-c", program) as command:
        assert command.end() == 0, command.output
    said, accepted, routes = command.lines[-3:]
    assert said == f"ingest: {accepted} is completed"
    assert routes == "['/ingestion/ingest', '/partner/ingest']"


def test_the_readmes_client_prints_the_results(url: str) -> None:
    program = python_blocks()["Client("].replace("http://127.0.0.1:8000", url)
    with Command("-W", "error", "-c", program) as command:
        assert command.end() == 0, command.output
    assert command.lines == [str({"id": one, "data": "processed"}) for one in (1, 2, 3)]
