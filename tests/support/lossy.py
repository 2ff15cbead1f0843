"""A way to a service that loses connections, in turn before, amid and after an answer."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_LOSSES = (0, 30, 0, None)
"""Bytes of the answer that each connection lets through, in turn; None: all."""


class Lossy:
    """Passes on requests whole, and of their answers what `_LOSSES` allows; `lost` counts those cut off."""

    def __init__(self, url: str) -> None:
        self._to = (urlsplit(url).hostname, urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._losses = itertools.cycle(_LOSSES)
        self.lost = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):  # a system may not shut down what only listens
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with near, socket.create_connection(self._to) as far:
                asking = threading.Thread(target=self._ask, args=(near, far))
                asking.start()
                self._answer(far, near, next(self._losses))
                with suppress(OSError):  # it has gone already
                    near.shutdown(socket.SHUT_RDWR)
                asking.join(10)

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):  # the answer has ended
            while data := near.recv(65536):
                far.sendall(data)

    def _answer(self, far: socket.socket, near: socket.socket, most: int | None) -> None:
        self.lost += most is not None
        with suppress(OSError):  # the client has gone
            while data := far.recv(65536):  # to its end: the request has its effect
                near.sendall(data[:most])
                most = most if most is None else max(0, most - len(data))
