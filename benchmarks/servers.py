"""The web servers under load: our service, the floors and peer 1, each in its own process."""

from __future__ import annotations

import contextlib
import functools
import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from .processes import free_port, listens, program, running

_GRANIAN = ["granian", "--interface", "wsgi", "--blocking-threads", "2"]
_GRANIAN += ["--log-level", "error", "--host", "127.0.0.1", "--port", "{port}"]
_UVICORN = ["uvicorn", "--log-level", "error", "--no-access-log", "--host", "127.0.0.1", "--port", "{port}"]

SERVICES = ("waitress", "granian", "fastapi")
FLOORS = ("floor", "floor granian")
COMMANDS = {
    "waitress": ["python", "wsgi.py"],
    "granian": [*_GRANIAN, "wsgi:app"],
    "floor": ["python", "-m", "benchmarks.floors"],
    "floor granian": [*_GRANIAN, "benchmarks.floors:app"],
    "fastapi": [*_UVICORN, "benchmarks.peers.fastapi_service:app"],
}


@contextlib.contextmanager
def serving(*names: str, environment: Mapping[str, str] | None = None) -> Iterator[dict[str, int]]:
    """The port of each of these, once ready. Raises Unavailable if one does not start."""
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for name in names:
            port = ports[name] = free_port()
            first, *rest = [part.format(port=port) for part in COMMANDS[name]]
            ready = functools.partial(listens, port)
            # No bound, for some loads queue more than the default lets wait.
            settings = {"INGEST_PORT": str(port), "INGEST_MAX_PENDING": "0", **(environment or {})}
            stack.enter_context(running([program(first), *rest], ready=ready, environment=settings))
        yield ports


def post(port: int, ids: list[int], priority: str) -> str:
    """Submit ids; the id of their ingestion."""
    answer = json.loads(fetch(port, "/ingest", body(ids, priority)))
    return str(answer["ingestion_id"])


def fetch(port: int, path: str, content: str | None = None) -> bytes:
    """The body of one answer. Raises urllib.error.HTTPError for anything but success."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if content is None else content.encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
    return found


def body(ids: list[int], priority: str) -> str:
    """What a client sends, as `json.dumps` writes it."""
    document: dict[str, Any] = {"ids": ids, "priority": priority}
    return json.dumps(document)
