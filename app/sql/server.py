"""A PostgreSQL server: what is asked of it on each connection, and how long it may answer nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, TypeVar

from psycopg import Connection, Error, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import PipelineStatus

T = TypeVar("T")

_SILENCE = 3.0
"""How many times its own limit of a statement the server may answer nothing.

More than once, because it may answer several statements together, each within its limit.
"""

_CANCELS_WITHIN = 1.0
"""Seconds in which a server must take note that a statement is cancelled, for somebody waits for that."""


class ServerConnection(Connection[Any]):
    """A connection that is closed once the server has answered nothing for `silence` seconds. Raises OperationalError.

    psycopg itself waits for ever for a server whose machine still confirms what arrives. `patience` is what `silence`
    is outside of a transaction that may take its time, and `given_up` says that it was too long.
    """

    patience = silence = math.inf
    given_up = False

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def pipelined(self) -> AbstractContextManager[None]:
        """Returns a context in which an answer is waited for only where one is asked for."""
        return _Pipelined(self)

    def cancel_safe(self, *, timeout: float = _CANCELS_WITHIN) -> None:
        """Cancel what runs, as a Ctrl-C does; a server that does not answer in time is given up."""
        self.silence = min(self.silence, _CANCELS_WITHIN)
        super().cancel_safe(timeout=min(timeout, _CANCELS_WITHIN))

    def _bounded(self, gen: PQGen[T]) -> PQGen[T]:
        try:
            wanted = next(gen)
            heard = monotonic()
            while True:
                if ready := (yield wanted):
                    heard = monotonic()
                elif monotonic() - heard > self.silence:
                    self.given_up = True
                    self.pgconn.finish()
                    raise OperationalError(f"the server answers nothing within {self.silence:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer


class _Pipelined(AbstractContextManager[None]):
    """Leaves a pipeline after an error as after none, for psycopg logs what else fails because of it.

    A connection that the server ends midway may be unable to leave; it is closed, for nothing else can be asked on it.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._pipeline = connection.pipeline()

    def __enter__(self) -> None:
        self._pipeline.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._pipeline.__exit__(None, None, None)
        except Error as error:
            is_stuck = self._connection.pgconn.pipeline_status != PipelineStatus.OFF
            if is_stuck:
                self._connection.close()
            if not kind:
                # That it cannot leave is raised while the reason for it is.
                reason = error.__context__
                raise reason if is_stuck and isinstance(reason, Error) else error from None


class Server:
    """How one process reaches its server. Thread-safe.

    `away` is the error of the latest attempt to connect if that waited in vain, empty once anything is answered.
    """

    def __init__(self, timeout: float) -> None:
        self.away = ""
        self._timeout = timeout
        self._trying = threading.Lock()

    def connect(self, *given: Any, options: str = "", **others: Any) -> ServerConnection:
        """Returns a connection that gives up a statement, a lock or an idle transaction after the timeout.

        A frozen process must not keep the queue's row locked, nor a vanished server block a thread. While it is away,
        one caller at a time waits for it, and the others are told so at once. Raises OperationalError.
        """
        if not self.away:
            return self._connect(given, options, others)
        if not self._trying.acquire(blocking=False):
            raise OperationalError(self.away)
        try:
            return self._connect(given, options, others)
        finally:
            self._trying.release()

    def _connect(self, given: Sequence[Any], options: str, others: Mapping[str, Any]) -> ServerConnection:
        milliseconds = max(1, round(self._timeout * 1000))
        ours = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), str(milliseconds))
        # Sooner, so that the error says which of them it was.
        ours["lock_timeout"] = str(max(1, milliseconds * 9 // 10))
        # Every statement here has an index in the order it needs, whatever a new table's statistics suggest.
        ours |= dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off")
        patience: dict[str, Any] = {
            "connect_timeout": max(2, round(self._timeout)),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "flask-ingestion",
        }
        try:
            made = ServerConnection.connect(
                *given,
                autocommit=True,
                options=" ".join([options, *(f"-c {name}={value}" for name, value in ours.items())]),
                **patience | dict(others),
            )
        except OperationalError as error:
            # One that refuses does so at once, to everybody.
            self.away = str(error) if isinstance(error, ConnectionTimeout) else ""
            raise
        self.away = ""
        made.patience = made.silence = _SILENCE * self._timeout
        return made
