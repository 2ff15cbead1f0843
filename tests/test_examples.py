"""Every example in the README and in docs, run as it stands there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, NullPool, create_engine

from app.keys import Role, new_key
from app.sql.schema import metadata
from tests.support.clone import CITIES, MARK, WHOLE, Block, Clone, Session, blocks
from tests.support.command import ROOT, Command
from tests.support.ports import kept_port
from tests.support.postgres import Postgres

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the examples are for a POSIX shell")

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

SERVE = "python3 -m venv .venv && .venv/bin/pip install -q '.[all]'"
"""The first line of the example that starts the service with which the others speak."""

SHOWS = {
    "curl -si localhost:8000/ingest": (
        rf'HTTP/1.1 200 OK\n(.*\n)*Location: /status/{UUID}\n(.*\n)*\n{{"ingestion_id":"{UUID}"}}$'
    ),
    "ID=$(curl -s localhost:8000/ingest": rf'HTTP/1.1 200 OK\n(.*\n)*\n{{"ingestion_id":"{UUID}","status":"',
    "curl -s localhost:8000/results/$ID": r'^({"id":6,"data":"processed"}\n{"id":7,"data":"processed"})?$',
    ".venv/bin/flask-ingestion submit": (
        rf"^{UUID}\n(.*\n)*completed: 2 completed\nHIGH +0 batches ahead, starts (now|in [^,]+), ends .*\n(.*\n)*"
        r"worker +running\n(.*\n)*\d+ dispatches, no limit: the rate and the order were kept$"
    ),
    "export INGEST_LIMITS='10/s, 600/min": "^$",
    "export INGEST_FILL=1 INGEST_BATCH_SIZE=100": "^$",
    "export INGEST_STORE='postgresql+psycopg://ingest@/ingest?host=db1": "^$",
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
    ".venv/bin/pip install -q granian": "tests/hosts runs a host under it",
    "INGEST_AUTOSTART=0 .venv/bin/granian": "the same",
    '.venv/bin/pip install -q "$CLONE[': "it is installed by what runs this test",
    "openapi-python-client generate": "tests/client/test_generated.py does, and uses what comes of it",
    "export INGEST_UPSTREAM_URL='https://": "tests/upstreams runs the service with these settings",
    ".venv/bin/python -m pytest tests/": "they are parts of this suite, which the next test looks for",
    "tools/check": "it is what runs this test",
    ".venv/bin/ruff check --fix": ".ci/run checks the same, and changes nothing",
    ".venv/bin/python tools/mutate.py": "it takes minutes; tests/test_mutants.py tries what it does",
    "tools/site": ".ci/run builds the site",
    ".venv/bin/python -m tools.reference": "tests/test_docs.py compares what it would write",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[bench]'": "it takes most of an hour",
    ".venv/bin/pip install -q '.[hosts]'": "tests/hosts starts the host, and compares how with the page",
    "docker ": "it needs a Docker engine; tests/test_container.py tries what can be tried without",
    ".venv/bin/python -m pytest -m soak tests/fault": "it takes a quarter of an hour",
    ".venv/bin/python -m benchmarks.store_throughput": "it takes minutes",
}
"""Why an example is not run here, by how one of its lines begins."""

OTHER = {
    "": "drawings, and what each of three shells evaluates, which tests/cli/test_completion.py has them do",
    "ini": "systemd or Docker Compose",
    "nginx": "nginx",
    "yaml": "Prometheus",
}
"""Languages that need a program which is not here."""

SHOWN = {"text", "json", "toml", "{eval-rst}"}
"""Languages of the reference, which is written from the code and has nothing to run; of files, as TOML, too."""

DATABASE = "ingest@db.internal/ingest"
"""The database of the sessions that need one."""

QUICKLY = {
    "/path/to/Flask-Ingestion": ".",
    "INTERVAL = 0.5\n": "INTERVAL = 0.0\n",
    "INGEST_INTERVAL=0.6": "INGEST_INTERVAL=0.02",
    "INGEST_INTERVAL=0.5\n": "INGEST_INTERVAL=0.05\n",
    "sleep 0.5\n": "sleep 0.05\n",
    '"CRM_INTERVAL"] = 2': '"CRM_INTERVAL"] = 0.5',
    "10/s, 1000/min": "100/s, 10000/min",
}
"""What is replaced in a session so that it takes seconds. The ports 8000 and 8001 become free ones, too."""


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


def test_the_tests_that_pages_name_are_there() -> None:
    text = "".join(block.text for block in blocks("sh"))
    named = re.findall(r"\btests/[\w/.]+(?:::\w+)?", text)
    assert len(named) >= 3
    for path, _, name in (one.partition("::") for one in named):
        assert (ROOT / path).exists(), path
        assert not name or f"\ndef {name}(" in (ROOT / path).read_text(), name


def test_other_languages_need_programs_that_are_not_here() -> None:
    assert {block.language for block in blocks()} <= {"sh", "python", "console", *OTHER, *SHOWN}
    assert {block.language for block in blocks(files=WHOLE)} <= {"sh", "python", "text"}
    assert {block.language for block in blocks(files=[CITIES])} <= {"sh", "text"}


def test_the_commands_print_what_they_should(clone: Clone, url: str) -> None:
    found = [block for block in blocks("sh") if key_of(block, SHOWS)]
    port = f":{urlsplit(url).port}"
    script = f"\necho; echo '{MARK}'\n".join(block.text.replace(":8000", port) for block in found)
    with clone.run(f"{script}\n{CHECK}", INGEST_URL=url) as command:
        code = command.end()
    printed = [part.strip() for part in command.output.split(MARK)]
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


NEEDS_POSTGRES = [page for page in WHOLE if DATABASE in page.read_text()]


@pytest.mark.parametrize("page", [page for page in WHOLE if page not in NEEDS_POSTGRES], ids=lambda page: page.stem)
def test_a_session_runs_from_the_first_command_to_the_last(page: Path, tmp_path: Path) -> None:
    run_session(page.read_text(), Clone(tmp_path))


@pytest.mark.parametrize("page", NEEDS_POSTGRES, ids=lambda page: page.stem)
def test_so_does_one_with_a_database(page: Path, tmp_path: Path, postgres: Postgres) -> None:
    clone = Clone(tmp_path)
    for name in ("pg_dump", "pg_restore"):
        (clone.folder / "bin" / name).symlink_to(postgres.binaries / name)
    run_session(page.read_text().replace(DATABASE, postgres.new_database().partition("://")[2]), clone)


def test_a_night_on_which_ids_fail_has_its_results_all_the_same(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "night.py").write_text(
        "from flask_ingestion import Failed\n"
        "def process(ids):\n    return {one: Failed('gone') if one % 15 == 0 else one for one in ids}\n"
    )
    (script,) = (block.text for block in blocks("sh", files=WHOLE) if block.first == "cat > nightly <<'END'")
    serve = ".venv/bin/flask-ingestion serve > log 2>&1 &\ncurl -s --retry 9 --retry-all-errors $INGEST_URL/readyz\n"
    night = "seq 1 30 > ids.txt\n./nightly && exit 9 || echo $? > code\n"
    with kept_port() as port:
        at = {"INGEST_PORT": str(port), "INGEST_URL": f"http://127.0.0.1:{port}"}
        settings = {**at, "INGEST_INTERVAL": "0", "INGEST_PROCESSOR": "night:process", "PYTHONPATH": "."}
        with clone.run(serve + script + night, **settings) as command:
            assert command.end(within=60) == 0, command.output
    assert (tmp_path / "code").read_text() == "1\n"
    (results,) = tmp_path.glob("results-*.ndjson")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert {line["id"] for line in lines if "error" in line} == {15, 30}
    assert len(lines) == 30


def test_what_waits_moves_between_services_with_keys(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "stores.md").read_text().partition("## SQLite to PostgreSQL")[0]
    text, key = new_key("mover", Role.OPERATE)
    run_session(page, Clone(tmp_path), INGEST_API_KEYS=str(key), INGEST_KEY=text)


def run_session(text: str, clone: Clone, **more: str) -> None:
    with kept_port() as first, kept_port() as second:
        _run_session(text, clone, first, second, **more)


def _run_session(text: str, clone: Clone, first: int, second: int, **more: str) -> None:
    for written, instead in {**QUICKLY, "8000": str(first), "8001": str(second)}.items():
        text = text.replace(written, instead)
    session = Session.of(text)
    settings = {"INGEST_PORT": str(first), "INGEST_URL": f"http://127.0.0.1:{first}", **more}
    if "INGEST_QUEUES" not in text:  # a service of several queues refuses what would be for one
        settings["INGEST_LEASE"] = "2"
    with clone.run(session.script, **settings) as command:
        code = command.end(within=120)
    printed = [part.strip() for part in command.output.split(MARK)[:-1]]
    for shown, output in zip(session.shown, printed, strict=False):
        if shown is not None:
            pattern = re.escape(shown).replace("…", "(.|\n)*?")
            assert re.fullmatch(pattern, output), f"{shown}\nis shown, but this was printed:\n{output}"
    assert (code, len(printed)) == (0, len(session.shown)), command.output


def test_the_commands_about_cities_do_what_their_page_says(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with kept_port() as first, kept_port() as second:
        shorter = {"8000": first, "8001": second, "INTERVAL=0.55": "INTERVAL=0.05", "sleep 2": "sleep 0.1"}
        shorter |= {"IN 240": "IN 12", "JP 57": "JP 6", "submit.py": f"submit.py --service http://127.0.0.1:{first}"}
        texts = [block.text for block in blocks("sh", files=[CITIES])]
        for written, instead in shorter.items():
            texts = [text.replace(written, str(instead)) for text in texts]
        set_up, upstream, service, submit, wait, *rest = texts
        # On the page LOW is the last to end. Cut short, it may end before the others are submitted.
        wait += wait.replace("$LOW", "$HIGH") + wait.replace("$LOW", "$HAND")
        upstream = f"{upstream.rstrip()} --port {second} --interval 0.001"
        with clone.run(f"{set_up}{upstream}") as calls, clone.run(service, INGEST_PORT=str(first)) as serves:
            calls.wait_for("/cities")
            serves.wait_for("serving on")
            with clone.run(f"echo '{MARK}'\n".join([submit, wait, *rest])) as command:
                assert command.end(within=60) == 0, command.output
    submitted, waited, ended, results, told = (part.strip() for part in command.output.split(MARK))
    assert (json.loads(submitted)["id_count"], waited) == (12, "")
    ingestions = [json.loads(line) for line in ended.splitlines()]
    assert [(one["priority"], one["status"], one["id_count"]) for one in ingestions] == [
        ("HIGH", "completed", 6),
        ("HIGH", "completed", 3),
        ("LOW", "completed", 12),
    ]
    paris, london, nothing, *lines = results.splitlines()
    assert (paris.partition(":{")[0], london.partition(":{")[0]) == ('{"id":2988507,"data"', '{"id":2643743,"data"')
    assert nothing == '{"id":1,"data":null}'
    assert [line.split() for line in lines[:2]] == [["6", "high.ndjson"], ["12", "low.ndjson"]]
    assert json.loads(told)["calls"] == 7


ELSEWHERE = {
    "docs/client.md": "tests/client/test_docs.py runs each",
    "docs/testing.md": "tests/test_plugin.py runs it",
    "docs/callbacks.md": "tests/test_docs.py runs the receiver",
}
"""The pages whose examples in Python are run by another test."""


def program_of(file: str) -> str:
    """A page's examples in Python, one after another; `tests/test_plugin.py` runs those that are tests of a host."""
    found = (block.text for block in blocks("python") if block.file == file)
    return "".join(text for text in found if "ingestion_upstream" not in text)


def test_every_example_in_python_is_run_below_or_elsewhere() -> None:
    below = {"README.md", "docs/embedding.md"}
    assert {block.file for block in blocks("python")} == below | ELSEWHERE.keys()


def test_the_readmes_host_processes_what_it_accepts() -> None:
    program = (
        program_of("README.md")
        + """
answer = app.test_client().post("/ingestion/ingest", json={"ids": [7], "priority": "HIGH"})
ingestion_id = answer.json["ingestion_id"]
with app.app_context():
    while not ingestion.get(ingestion_id).status.final:
        pass
print(app.test_client().get(f"/ingestion/results/{ingestion_id}").text)
"""
    )
    with Command("-W", "error", "-c", program) as command:
        assert command.end() == 0, command.output
    assert '{"id":7,"data":{"name":"record 7"}}' in command.lines


def test_the_embedding_host_says_when_an_ingestion_ends() -> None:
    program = (
        program_of("docs/embedding.md")
        + """
import threading
over = threading.Event()

@ingestion_finished.connect
def last(*_, **__):
    over.set()

accepted = app.test_client().post("/nightly").json["ingestion"]
over.wait(20)
print(accepted, progress(accepted))
print(app.test_client().post("/nightly").json["ingestion"] == accepted)


class Answer:
    def __init__(self, status, found=None, **headers):
        self.status, self.headers, self.json = status, headers, lambda: found


def tried(*answer, **headers):
    http.request = lambda *_, **__: Answer(*answer, **headers)
    try:
        return look_up([1, 2])
    except (HoldQueue, PermanentError) as error:
        return type(error).__name__, getattr(error, "seconds", None)


print(tried(429, **{"Retry-After": "7"}), tried(401), tried(200, {"1": "one"}))
"""
    )
    with Command("-W", "error", "-c", program) as command:
        assert command.end() == 0, command.output
    said, found, same, held = command.lines[-4:]
    accepted = found.removesuffix(" completed")
    assert said == f"ingest: {accepted} is completed"
    assert same == "True"
    assert (
        held == "('HoldQueue', 7.0) ('PermanentError', None) {1: 'one', 2: Failed(reason='There is no such record.')}"
    )


def test_the_migrations_of_the_embedding_host_leave_the_queues_tables_alone() -> None:
    (filter_,) = (block.text for block in blocks("python") if "def is_ours" in block.text)
    told: dict[str, Any] = {}
    exec(filter_, told)
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        metadata.create_all(connection)

        def differences(**options: Any) -> int:
            context = MigrationContext.configure(connection, opts=options)
            return len(compare_metadata(context, MetaData()))

        assert differences() > 20
        assert differences(include_object=told["is_ours"]) == 0
