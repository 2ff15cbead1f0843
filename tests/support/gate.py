"""A gate at which code in another process waits until the test lets it pass."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from types import TracebackType

PATIENCE = 30.0
"""Seconds after which a test that waits for something gives up."""


class Visitor:
    """Code waiting at the gate: its process, and what it is about."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        with connection.makefile() as lines:
            pid, _, self.errand = lines.readline().strip().partition(" ")
        self.pid = int(pid)

    def let_pass(self) -> None:
        self._connection.close()


class Gate:
    """The test's side. Pass `environ` to the process; leaving the context opens the gate."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        self.environ = {"TEST_GATE": str(self._socket.getsockname()[1])}
        self._visitors: list[Visitor] = []

    def fileno(self) -> int:
        """What `select` waits for: the next arrival."""
        return self._socket.fileno()

    def wait(self) -> Visitor:
        """The next arrival."""
        visitor = Visitor(self._socket.accept()[0])
        self._visitors.append(visitor)
        return visitor

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for visitor in self._visitors:
            visitor.let_pass()
        self._socket.close()


def pass_gate(errand: str) -> None:
    """The other side: say what for, then wait."""
    with socket.create_connection(("127.0.0.1", int(os.environ["TEST_GATE"]))) as connection:
        connection.sendall(f"{os.getpid()} {errand}\n".encode())
        connection.recv(1)


def gated(ids: Sequence[int]) -> None:
    """A processor that waits at the gate."""
    pass_gate(f"batch {list(ids)}")
