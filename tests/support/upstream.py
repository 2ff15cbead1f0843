"""A real HTTP server on a free port that treats its clients as a test specifies."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Exchange(BaseHTTPRequestHandler):
    """One connection; a script answers its request with `reply`, or misbehaves with the others."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server
    body: bytes

    def setup(self) -> None:
        super().setup()
        self.server.upstream.connections += 1

    def do_GET(self) -> None:
        upstream = self.server.upstream
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream.paths.append(self.path)
        upstream.headers.append(self.headers)
        upstream.script(self)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def reply(self, data: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with bytes as they are, or with anything else as JSON."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.start(status, {"content-length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def start(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the status and these headers alone. There is no Date unless it is among them."""
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def drop(self) -> None:
        """Close the connection."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def hang(self, seconds: float | None = None) -> bool:
        """Say nothing for some time, or until the server stops; returns whether it is still running."""
        return not self.server.upstream.stopping.wait(seconds)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The test reads what it needs from the server itself."""


class _Server(ThreadingHTTPServer):
    upstream: Upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Many tests are about a client that goes away."""


class Upstream:
    """Serves with `script` within a `with` block; `paths` and `headers` are those it was asked with, in order."""

    def __init__(self, script: Callable[[Exchange], None], context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.connections = 0
        self.paths: list[str] = []
        self.headers: list[Message] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Exchange)
        self._server.upstream = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        if context:
            # The handshake runs in the connection's thread, so that one bad client does not block the rest.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
