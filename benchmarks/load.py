"""A lean HTTP/1.1 load generator: keep-alive connections on raw sockets, one request in flight on each.

Runs in a separate process, so that its cost does not fall on the process that measures: `run` starts
`python -m benchmarks.load`, which reads a `Load` as JSON and writes a `Result`.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from .processes import ROOT
from .series import Unavailable, percentile

READ_SIZE = 1 << 18
BUSY_MOST = 0.9
LONGEST_WAIT = 60.0
"""Seconds without any answer after which a load is aborted."""


@dataclass(frozen=True)
class Load:
    """What to send: at most `count` identical requests, for at most `seconds`; only answers of 200 are accepted."""

    port: int
    path: str
    body: str | None = None
    connections: int = 16
    count: int = 4000
    seconds: float = 60.0


@dataclass(frozen=True)
class Result:
    """The start (monotonic) and latency of each request, in seconds, in the order of the answers.

    `busy` is the share of time that the generator itself used the CPU: near 1, it was the bottleneck.
    """

    starts: list[float]
    latencies: list[float]
    elapsed: float
    busy: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.elapsed

    def p99(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The 99th percentile of the latencies, in seconds, of the requests in flight in that span."""
        chosen = [
            latency
            for start, latency in zip(self.starts, self.latencies, strict=True)
            if start < until and start + latency > since
        ]
        return percentile(chosen, 99)


def begin(load: Load) -> subprocess.Popen[str]:
    """Start a load; `finish` waits for its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(load)) + "\n")
    process.stdin.flush()
    return process


def finish(process: subprocess.Popen[str]) -> Result:
    """The result of a load. Raises Unavailable if an answer was not 200."""
    out, _ = process.communicate()
    answer = json.loads(out) if process.returncode == 0 else {"refused": f"the load ended with {process.returncode}"}
    if "refused" in answer:
        raise Unavailable(answer["refused"])
    result = Result(**answer)
    if result.busy > BUSY_MOST:
        print(f"the load generator may have been the bottleneck: busy {result.busy:.0%}", file=sys.stderr)
    return result


def run(load: Load) -> Result:
    return finish(begin(load))


class _Connection:
    """One keep-alive connection, and how many bytes of its answer are outstanding (None: the head is incomplete)."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.head = b""
        self.missing: int | None = None

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.head, self.missing = b"", None
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has arrived; True once the answer is complete. Raises ValueError for any status but 200."""
        data = self.socket.recv(READ_SIZE)
        if not data:
            raise ValueError("the server closed the connection")
        if self.missing is not None:
            self.missing -= len(data)
            return self.missing == 0
        self.head += data
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return False
        if head[9:12] != b"200":
            raise ValueError(f"expected 200, got {self.head[:300]!r}")
        lowered = head.lower()
        at = lowered.index(b"content-length:") + 15
        self.missing = int(lowered[at:].split(b"\r\n", 1)[0]) - len(body)
        return self.missing == 0


def _main() -> None:
    load = Load(**json.loads(sys.stdin.readline()))
    try:
        answer = asdict(_run(load))
    except (ValueError, OSError) as error:
        answer = {"refused": f"{load.path}: {error}"}
    json.dump(answer, sys.stdout)


def _run(load: Load) -> Result:
    request = _request(load)
    poll = select.epoll()
    connections: dict[int, _Connection] = {}
    for _ in range(min(load.connections, load.count)):
        connection = _Connection(load.port)
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    starts: list[float] = []
    latencies: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    until = began + load.seconds
    for connection in connections.values():
        connection.send(request)
    sent, flying = len(connections), len(connections)
    while flying:
        if not (events := poll.poll(LONGEST_WAIT)):
            raise ValueError(f"no answer for {LONGEST_WAIT:g} s")
        for descriptor, _ in events:
            connection = connections[descriptor]
            if not connection.receive():
                continue
            now = time.perf_counter()
            starts.append(connection.sent_at)
            latencies.append(now - connection.sent_at)
            if sent < load.count and now < until:
                connection.send(request)
                sent += 1
            else:
                flying -= 1
    elapsed = time.perf_counter() - began
    return Result(starts, latencies, elapsed, (time.process_time() - cpu) / elapsed)


def _request(load: Load) -> bytes:
    head = [f"{'GET' if load.body is None else 'POST'} {load.path} HTTP/1.1", f"Host: 127.0.0.1:{load.port}"]
    body = (load.body or "").encode()
    if load.body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


if __name__ == "__main__":
    _main()
