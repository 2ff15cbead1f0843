"""One POST to a receiver."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

from ..httpclient import FinalResponse
from ..receivers import Address


class Post:
    """Sends `body` in a daemon thread; `over` is set once it is known how that went.

    In a thread of its own, because no timeout covers all that a receiver can make one wait for: its name, TLS, an
    answer that drips. It follows no redirect, uses no proxy, and reads no more than the status and the headers.
    `trusted` gives what a receiver's certificate is checked against.
    """

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
        trusted: Callable[[], ssl.SSLContext],
    ) -> None:
        self.over = threading.Event()
        self.status = 0
        self.error = ""
        self._address = address
        self._headers = {**headers, "Connection": "close"}
        self._body = body
        self._timeout = timeout
        self._trusted = trusted
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        """Raises RuntimeError if no thread can be started."""
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def cut(self, why: str) -> None:
        """End it, unless it is over; what the receiver says later is not heard."""
        self._end(0, why)
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):  # it may be closed by now
                # SSLSocket.shutdown would pull the TLS layer from under the thread that reads.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            status = self._exchange()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._end(0, f"{self._address.host} {_reason(error, self._timeout)}.")
        except BaseException as error:
            self._end(0, f"{self._address.host} could not be told: {type(error).__name__}.")
            raise
        else:
            good = 200 <= status < 300
            self._end(status, "" if good else f"{self._address.host} answered {status}.")

    def _exchange(self) -> int:
        scheme, name, port, path = self._address
        if scheme == "https":
            connection = http.client.HTTPSConnection(name, port, timeout=self._timeout, context=self._trusted())
        else:
            connection = http.client.HTTPConnection(name, port, timeout=self._timeout)  # type: ignore[assignment]
        connection.response_class = FinalResponse
        self._connection = connection
        with closing(connection):
            connection.request("POST", path, self._body, self._headers)
            with connection.getresponse() as response:
                return response.status

    def _end(self, status: int, error: str) -> None:
        with self._lock:
            if not self.over.is_set():
                self.status, self.error = status, error
                self.over.set()


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"did not answer within {timeout:g} s"
    if isinstance(error, ssl.SSLError):
        return f"cannot be trusted over TLS ({getattr(error, 'verify_message', '') or error.reason})"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        return "closed the connection without an answer"
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return "does not speak HTTP"
    return f"cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})"
