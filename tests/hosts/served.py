"""A host of examples/hosts under a server, in a process of its own."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from email.message import Message
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.support.command import ROOT, Command
from tests.support.host import eventually
from tests.support.ports import kept_port
from tests.support.upstream import Exchange, Upstream

HOSTS = ROOT / "examples" / "hosts"

SERVERS = {
    "waitress": ("waitress", "--listen=127.0.0.1:{port}"),
    "gunicorn sync": ("gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=sync"),
    "gunicorn gthread": ("gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=gthread", "--threads=4"),
    "gunicorn gevent": ("gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=gevent"),
    "granian": ("granian", "--interface=wsgi", "--host=127.0.0.1", "--port={port}"),
}


class Answer(NamedTuple):
    status: int
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Served:
    """The host `name` under a server, with an upstream whose requests are in `asked`."""

    def __init__(self, name: str, server: str, **environ: str) -> None:
        self.asked: list[int] = []
        self._lock = threading.Lock()
        self._upstream = Upstream(self._answer)
        self._kept = ExitStack()
        self.port = self._kept.enter_context(kept_port())
        self.environ = {
            "UPSTREAM_URL": f"{self._upstream.url}/records/{{id}}",
            "SECRET_KEY": "not a secret",
            "PYTHONPATH": str(ROOT),
            **environ,
        }
        self._arguments = ["-m", *(one.format(port=self.port) for one in SERVERS[server]), f"{name}:app"]

    def _answer(self, exchange: Exchange) -> None:
        number = int(urlsplit(exchange.path).path.rpartition("/")[2])
        with self._lock:
            self.asked.append(number)
        exchange.reply({"record": number})

    def __enter__(self) -> Served:
        self._upstream.__enter__()
        self._command = Command(*self._arguments, environ=self.environ, cwd=HOSTS)
        self._command.__enter__()
        eventually(self._is_up, f"it serves: {self._command.lines}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._command.__exit__(kind, error, traceback)
        self._upstream.__exit__()
        self._kept.close()

    def _is_up(self) -> bool:
        try:
            return self.call("GET", "/ingestion/livez").status == 200
        except OSError:
            return False

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """What the host answers; underscores in the names of headers become hyphens, and a body is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, str):
            body, named = json.dumps(body), {"Content-Type": "application/json", **named}
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def submit(self, ids: Sequence[int], **headers: str) -> str:
        answer = self.call("POST", "/ingestion/ingest", {"ids": list(ids), "priority": "HIGH"}, **headers)
        assert answer.status == 200, answer
        return str(answer.json["ingestion_id"])

    def wait(self, ingestion_id: str, **headers: str) -> list[Any]:
        """The results of an ingestion, once it is completed."""

        def status() -> Any:
            return self.call("GET", f"/ingestion/status/{ingestion_id}?limit=0", **headers).json["status"]

        eventually(lambda: status() == "completed", "it is completed")
        results = self.call("GET", f"/ingestion/results/{ingestion_id}", **headers)
        return [json.loads(line) for line in results.text.splitlines()]

    def processes_once(self, **headers: str) -> None:
        """Each of ten ids is asked for once, and has its record."""
        ids = list(range(1, 11))
        before = len(self.asked)
        results = self.wait(self.submit(ids, **headers), **headers)
        assert results == [{"id": one, "data": {"record": one}} for one in ids]
        assert sorted(self.asked[before:]) == ids
