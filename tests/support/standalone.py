"""The standalone service in a separate process, reached over the network."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .command import Command
from .gate import PATIENCE

SIMPLE = ("wsgi.py",)


class Service(Command):
    """The service on a free port."""

    def __init__(self, arguments: tuple[str, ...] = SIMPLE, **environ: str) -> None:
        super().__init__(*arguments, environ={"INGEST_PORT": "0", **environ})
        self.port = int(self.wait_for("serving on http://127.0.0.1:").rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.connect()
        return connection

    def call(self, method: str, path: str, document: Any = None) -> Any:
        connection = self.connect()
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            answer = json.load(response)
            assert response.status == 200, answer
        connection.close()
        return answer

    def submit(self, ids: list[int], priority: str = "HIGH") -> str:
        return str(self.call("POST", "/ingest", {"ids": ids, "priority": priority})["ingestion_id"])

    @contextmanager
    def raw(self, data: bytes) -> Iterator[socket.socket]:
        """A connection that has sent these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(data)
            yield connection
