"""Calls that get through: retries what is worth another try, and turns answers into results or errors."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core import Clock
from .transport import ClientError, Reply, Transport, Unreachable

_BACKOFF, _BACKOFF_MAX = 0.25, 8.0
"""Seconds before the second attempt, which double with each attempt, and their upper bound."""


class Refused(ClientError):
    """The service answered no; the message is its reason.

    `status` is the HTTP status, `errors` the faults it lists, each with `pointer` and `detail`, `problem` the whole
    RFC 9457 document, and `retry_after` the seconds after which to ask again, where it gives them.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None) -> None:
        self.status = status
        self.detail = str(problem["detail"])
        self.errors: Sequence[Mapping[str, str]] = problem.get("errors", [])
        self.problem = problem
        self.retry_after = retry_after
        super().__init__(self.detail)


class Calls:
    """Makes a client's calls; takes the arguments of `Client`."""

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float,
        retries: int,
        patience: float,
        notice: Callable[[str], object] | None,
        clock: Clock,
    ) -> None:
        self.transport = transport
        self.timeout = timeout
        self._retries = retries
        self._patience = patience
        self._notice = notice
        self._clock = clock

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        once: bool = False,
        until: float | None = None,
    ) -> Reply:
        """Returns the good answer to a request, by `until` where given; `once`: not repeated if it may have worked."""
        attempt, patience = 0, self._patience
        while True:
            timeout, pause = self.timeout, min(_BACKOFF_MAX, _BACKOFF * 2**attempt) * random.uniform(0.5, 1.0)
            if until is not None:
                left = until - self._clock.now()
                timeout, patience = min(timeout, max(0.1, left)), min(patience, left)
            error: ClientError
            try:
                answer = self.transport.exchange(method, path, body, headers or {}, timeout)
            except Unreachable as lost:
                error, again = lost, lost.again and not (once and lost.sent)
            else:
                if answer.status == 200:
                    return answer
                error = self.error(answer)
                again = answer.status in ((429, 503) if once else (429, 502, 503, 504))
                if answer.retry_after is not None:
                    again, pause = again or answer.status == 409, answer.retry_after
            if not again or attempt == self._retries or pause > patience:
                raise error
            attempt, patience = attempt + 1, patience - pause
            if self._notice:
                self._notice(f"{error} Trying again in {pause:.1f} s.")
            self.sleep(pause)

    def error(self, answer: Reply) -> ClientError:
        """Returns what an answer other than 200 means."""
        if answer.location is not None and 300 <= answer.status < 400:
            return Unreachable(f"{self.transport.url} redirects to {answer.location}; use that address instead.")
        try:
            return Refused(answer.status, json.loads(answer.body), answer.retry_after)
        except (ValueError, TypeError, KeyError, AttributeError):
            prefix = "; if it is embedded, its URL ends with its url_prefix" if answer.status == 404 else ""
            return Unreachable(f"{self.transport.url} answers {answer.status}, but not as this service does{prefix}.")

    def sleep(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)
