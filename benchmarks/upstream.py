"""An upstream that allows so many calls a second: it answers every call, and what came too early is counted afterwards.

A call is a GET of /NUMBER on a connection that may stay open.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Sequence

TOLERANCE = 0.02
"""Seconds by which a window is shorter than a second, because one call is under way longer than another."""

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

_STAMPS = 35
"""Linux' SO_TIMESTAMPNS, which Python does not name: the kernel says when data arrived, in seconds and nanoseconds."""

_MOMENT = struct.Struct("qq")


class Upstream:
    """Where it is, and the number and the moment (epoch seconds) of each call."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.calls: list[tuple[int, float]] = []

    def moments(self) -> list[float]:
        """When the calls arrived, in order."""
        return sorted(moment for _, moment in self.calls)

    def arrivals(self) -> dict[int, float]:
        """When each number first arrived."""
        return dict(sorted(self.calls, key=lambda call: call[1], reverse=True))


@contextlib.contextmanager
def serving() -> Iterator[Upstream]:
    """An upstream in a thread of this process."""
    with _Server(("127.0.0.1", 0), _Connection) as server:
        upstream = server.upstream = Upstream(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield upstream
        finally:
            server.shutdown()
            thread.join()


def violations(moments: Sequence[float], allowed: int) -> int:
    """How many calls were one too many: `allowed` others arrived in the second before, less the tolerance.

    The moments are in order, here and below.
    """
    return sum(later - earlier < 1 - TOLERANCE for earlier, later in zip(moments, moments[allowed:], strict=False))


def used(moments: Sequence[float], allowed: int, seconds: float) -> float:
    """Which part of the allowance was used in the `seconds` from the first call.

    It is the mean of all windows that are a second shorter, so that one burst a second counts as much as the same calls
    evenly spaced.
    """
    ages = [moment - moments[0] for moment in moments]
    return sum(max(0.0, min(age, 1.0, seconds - age)) for age in ages) / (allowed * (seconds - 1))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    upstream: Upstream


class _Connection(socketserver.BaseRequestHandler):
    """Takes the moment from the kernel where it can, because on a busy machine this thread is late itself."""

    request: socket.socket
    server: _Server

    def setup(self) -> None:
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                data, stamps, _, _ = self.request.recvmsg(4096, 256)
                if not data:
                    return
                number = int(data.split(b" ", 2)[1].strip(b"/"))
                self.server.upstream.calls.append((number, _moment(stamps)))
                self.request.sendall(_ANSWER)


def _moment(stamps: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in stamps:
        if (level, kind) == (socket.SOL_SOCKET, _STAMPS):
            seconds, nanoseconds = _MOMENT.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()
