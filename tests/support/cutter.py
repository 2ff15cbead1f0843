"""A way to a PostgreSQL server that loses the answer to a COMMIT when a test says so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_COMMITTED = b"COMMIT\0"
"""In the answer of the server, once the transaction is committed."""


class Cutter:
    """Passes on what comes from both sides; after `cut_next` it drops the connection of the next COMMIT instead."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed = threading.Event()
        self.cut = threading.Event()
        self.url = url.replace(f":{parts.port}/", f":{self._listener.getsockname()[1]}/")
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self) -> None:
        self.cut.clear()
        self._armed.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except ConnectionRefusedError:  # the server has ended
                near.close()
                continue
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near), kwargs={"answers": True}, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        with suppress(OSError):  # the other direction has closed them
            while data := source.recv(65536):
                if answers and _COMMITTED in data and self._armed.is_set():
                    self._armed.clear()
                    self.cut.set()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):  # closed already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
