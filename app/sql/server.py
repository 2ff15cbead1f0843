"""A PostgreSQL server: what is asked of it on each connection, and how long it may answer nothing."""

from __future__ import annotations

import math
from time import monotonic
from typing import Any, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen

T = TypeVar("T")

_SILENCE = 3.0
"""How many times its own limit of a statement the server may answer nothing.

More than once, because it may answer several statements together, each within its limit.
"""


class ServerConnection(Connection[Any]):
    """A connection that is closed once the server has answered nothing for `silence` seconds. Raises OperationalError.

    psycopg itself waits for ever for a server whose machine still confirms what arrives. `patience` is what `silence`
    is outside of a transaction that may take its time, and `given_up` says that it was too long.
    """

    patience = silence = math.inf
    given_up = False

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        return super().wait(self._bounded(gen), *args, **kwargs)

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


def connect(timeout: float, *given: Any, options: str = "", **others: Any) -> ServerConnection:
    """Returns a connection that gives up a statement, a lock or an idle transaction after `timeout` seconds.

    A frozen process must not keep the queue's row locked, nor a vanished server block a thread.
    """
    milliseconds = max(1, round(timeout * 1000))
    ours = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), str(milliseconds))
    # Sooner, so that the error says which of them it was.
    ours["lock_timeout"] = str(max(1, milliseconds * 9 // 10))
    # Every statement here has an index in the order it needs, whatever a new table's statistics suggest.
    ours |= dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off")
    patience: dict[str, Any] = {
        "connect_timeout": max(2, round(timeout)),
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": "flask-ingestion",
    }
    made = ServerConnection.connect(
        *given,
        autocommit=True,
        options=" ".join([options, *(f"-c {name}={value}" for name, value in ours.items())]),
        **patience | others,
    )
    made.patience = made.silence = _SILENCE * timeout
    return made
