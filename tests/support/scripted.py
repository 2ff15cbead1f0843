"""A server that treats each request as the test specifies."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

Act = Callable[[socket.socket], None]


class Seen(NamedTuple):
    """A received request; its header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int, document: Any, **headers: str) -> Act:
    """A complete answer; underscores in header names become hyphens."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return send(head(status, Content_Length=str(len(body)), **headers) + body)


def problem(status: int, detail: str, errors: Any = None, **headers: str) -> Act:
    document = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return answer(status, document if errors is None else {**document, "errors": errors}, **headers)


def head(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def send(data: bytes) -> Act:
    """These bytes, then the end of the connection."""
    return lambda connection: connection.sendall(data)


def reset(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say_nothing(connection: socket.socket) -> None:
    """Wait until the client gives up."""
    connection.recv(1)


class ScriptedServer:
    """Treats the nth request with the nth of `acts`; `unread` acts run before the body is read."""

    def __init__(self, acts: tuple[Act, ...], *, unread: bool) -> None:
        self.requests: list[Seen] = []
        self._acts = acts
        self._unread = unread
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):  # It is already closed if every act has run.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        for act in self._acts:
            treated = False
            while not treated:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                with connection, suppress(ConnectionError):  # its client may go at any moment
                    treated = self._treat(connection, act)
        # A client that connects now is disconnected at once.
        self._listener.close()

    def _treat(self, connection: socket.socket, act: Act) -> bool:
        """Returns whether a request came, for a client may give up before it has sent one."""
        connection.settimeout(10)
        with connection.makefile("rb") as stream:
            first = stream.readline().decode()
            if not first:
                return False
            method, path, _ = first.split(" ")
            headers = dict(self._headers(iter(stream.readline, b"\r\n")))
            length = 0 if self._unread else int(headers.get("content-length", 0))
            self.requests.append(Seen(method, path, headers, stream.read(length)))
            with suppress(ConnectionError):
                act(connection)
                if self._unread:
                    connection.shutdown(socket.SHUT_WR)
                    while stream.read(65_536):
                        pass
        return True

    @staticmethod
    def _headers(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
        for line in lines:
            name, _, text = line.decode().partition(":")
            yield name.lower(), text.strip()


@contextmanager
def scripted(*acts: Act, unread: bool = False) -> Iterator[ScriptedServer]:
    server = ScriptedServer(acts, unread=unread)
    try:
        yield server
    finally:
        server.close()
