"""Whatever a service says, it cannot steer the terminal: no title, no colour, no line of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask, Response

from tests.support.cli import Service
from tests.support.host import Host

EVIL = "\x1b]0;pwned\x07\x1b[2J\r\x9b31m"
SAID = "\\x1b]0;pwned\\x07\\x1b[2J\\r\\x9b31m"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def answering() -> Iterator[Callable[..., Service]]:
    """Makes a service that gives one answer to everything."""
    services: list[Service] = []

    def make(document: Any, status: int = 200, **headers: str) -> Service:
        app, text = Flask(__name__), json.dumps(document, ensure_ascii=False) + "\n"

        @app.route("/<path:_>", methods=["GET", "POST"])
        def anything(_: str) -> Response:
            return Response(text, status, headers, mimetype="application/json")

        services.append(Service(cast(Host, SimpleNamespace(app=app))))
        return services[-1]

    yield make
    for service in services:
        service.close()


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"detail": EVIL}, 418),
        ({"detail": "two", "errors": [{"detail": EVIL}, {"detail": "b"}]}, 422),
        ({"detail": "which?", "queues": [EVIL]}, 404),
        ({"detail": EVIL}, 503),
    ],
)
def test_a_refusal_is_escaped(answering: Callable[..., Service], document: Any, status: int) -> None:
    said = answering(document, status)("queue", "--patience", "0.3", color=True).stderr
    assert SAID in said
    assert "\x1b" not in said


@pytest.mark.parametrize("words", [["audit"], ["audit", "--utc"]])
def test_a_document_is_escaped(answering: Callable[..., Service], words: list[str]) -> None:
    entry = {"number": 1, "at": "2027-01-15T08:00:00.000Z", "by": EVIL, "action": "pause", "subject": EVIL}
    page = {"entries": [{**entry, "before": {EVIL: 1}, "after": {EVIL: 2}}], "next_cursor": None}
    service = answering(page)
    shown = service(*words, color=True).stdout
    assert shown.count(SAID) == 3
    assert "\x1b" not in shown
    assert json.loads(service("audit", "--json").stdout) == page


@pytest.mark.parametrize("terminal", [True, False])
def test_results_are_as_sent_but_to_a_terminal(
    answering: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: terminal, raising=False)
    shown = answering({"id": "\x9b31m"})("results", UNKNOWN, color=True).stdout
    assert json.loads(shown.replace("\\x9b", "\x9b")) == {"id": "\x9b31m"}
    assert ("\x9b" in shown) is not terminal


def test_so_is_what_is_told_of_an_ingestion(answering: Callable[..., Service], service: Service) -> None:
    document = service.host.client.get(f"/status/{service.submitted('1')}").get_json()
    callback = {"id": "a", "state": "failed", "attempts": 1, "error": EVIL, "next_attempt_at": None}
    document["batches"][0]["ids"] = [EVIL]
    shown = answering({**document, "callback": callback})("status", UNKNOWN, color=True).stdout
    assert shown.count(SAID) == 2
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown


def test_so_is_why_a_wait_ended_badly(answering: Callable[..., Service], service: Service) -> None:
    document = service.host.client.get(f"/status/{service.submitted('1')}").get_json()
    document["batches"][0]["error"] = {"type": "ValueError", "message": f"{EVIL}\ncompleted: 1 completed"}
    counts = dict.fromkeys(document["counts"], 0) | {"failed": 1}
    said = answering({**document, "status": "failed", "counts": counts})("wait", UNKNOWN, color=True).stderr
    assert f"ValueError: {SAID}\\ncompleted: 1 completed" in said
