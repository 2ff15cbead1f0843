"""The examples of docs/client.md, against a service."""

from __future__ import annotations

import re
from pathlib import Path

from app import client
from tests.support.command import Command
from tests.support.standalone import Service

ROOT = Path(__file__).parents[2]


def test_every_program_runs() -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    first, many, asynchronous = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    with Service(INGEST_INTERVAL="0") as service:
        environ = {"INGEST_URL": f"http://127.0.0.1:{service.port}"}
        said = []
        for program in (first, many, asynchronous):
            with Command("-W", "error", "-c", program, environ=environ) as command:
                assert command.end() == 0, command.output
            said.append(command.lines)
    results = ["1 processed", "2 processed", "3 processed"]
    assert said[0][-3:] == said[2] == results
    assert said[0][-4].startswith("completed 20")
    assert said[1] == [*(f"{number} accepted" for number in range(1, 6)), *["completed"] * 5]


def test_every_error_is_told() -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    kinds = {name: getattr(client, name) for name in client.__all__}
    errors = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {name for name in errors if f"`{name}`" in text} == errors
