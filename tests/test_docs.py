"""Documentation that cannot go stale."""

from __future__ import annotations

import ast
import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.callbacks import Callback
from app.callbacks.message import headers_of
from app.config import Settings
from app.receivers import parse_secrets
from tests.support.command import Command
from tests.support.sink import SECRET
from tests.support.standalone import Service

ROOT = Path(__file__).parents[1]


def python_blocks() -> dict[str, str]:
    """The README's examples in Python, each by a word that only it has."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    words = ("Client(", "@ingestion.processor", "partner.init_app", "@ingestion_finished.connect")
    found = {word: next(block for block in blocks if word in block) for word in words}
    assert len(blocks) == len(found)
    return found


def test_the_readmes_host_runs_and_says_when_an_ingestion_ends() -> None:
    blocks = python_blocks()
    program = "".join(
        blocks[word] for word in ("@ingestion.processor", "partner.init_app", "@ingestion_finished.connect")
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


def test_the_readmes_client_prints_the_results() -> None:
    with Service() as service:
        program = python_blocks()["Client("].replace(":8000", f":{service.port}")
        with Command("-W", "error", "-c", program) as command:
            assert command.end() == 0, command.output
    assert command.lines == [str({"id": one, "data": "processed"}) for one in (1, 2, 3)]


def test_the_receiver_in_the_documentation_takes_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    receiver: dict[str, Any] = {"__name__": "receiver"}
    exec(program, receiver)
    client = receiver["app"].test_client()
    body = '{"type":"ingestion.completed","data":{"ingestion_id":"abc"}}'
    callback = Callback("msg_1", "abc", None, body, 0.0, 0.0, 0.0)

    def answer(age: float, secret: str, body: str) -> int:
        headers = headers_of(callback, parse_secrets(secret), time.time() - age)
        return int(client.post("/ingestion", data=body, headers=headers).status_code)

    other = f"whsec_{'B' * 32}"
    assert answer(0, f"{other},{SECRET}", body) == 204
    assert answer(0, SECRET, body) == 204
    assert (answer(0, other, body), answer(0, SECRET, f"{body} "), answer(301, SECRET, body)) == (401, 401, 401)
    assert capsys.readouterr().out == "ingestion.completed abc\n"


def table_row(field: dataclasses.Field[object]) -> str:
    default = "" if field.default in ("", ()) else f"`{field.default}`"
    return f"| `{field.name.upper()}` | {default} | {field.metadata['about']} |"


def test_every_setting_is_in_the_readme_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `[A-Z_]+` \|.*\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [table_row(field) for field in dataclasses.fields(Settings)]


def test_every_test_that_security_is_shown_by_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    sections = text.split("\n## ")[1:]
    assert [section[:5] for section in sections[:10]] == [f"API{number}:"[:5] for number in range(1, 11)]
    for section in sections[:10]:
        shown = re.findall(r"^- `(\S+\.py)::(test_\w+)`$", section, re.MULTILINE)
        assert shown, section.splitlines()[0]
        for path, name in shown:
            tree = ast.parse((ROOT / "tests" / path).read_text())
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                f"{path}::{name}"
            )


def test_where_to_change_what_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(r"## Where do I change \.\.\.\?\n\n((?:\|.*\n)+)", text)
    rows = table.splitlines()[2:]
    assert len(rows) >= 12
    for row in rows:
        paths = re.findall(r"`([^`]+)`", row)
        assert paths, row
        assert [path for path in paths if not (ROOT / path).is_file()] == [], row
