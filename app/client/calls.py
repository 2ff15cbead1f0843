"""What to repeat and when, and what an answer means: decided here, performed by whoever drives the steps.

Nothing here waits or connects. A call is a generator: it yields a Request and is sent its Reply, or the Unreachable
that came instead, and yields a Pause where time should pass.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

from .document import Document, Unlike
from .errors import ClientError, Refused, Unreachable
from .messages import Address, Reply, Request

T = TypeVar("T")
D = TypeVar("D", bound=Document)

_BACKOFF, _BACKOFF_MAX = 0.25, 8.0
"""Seconds before the second attempt, which double with each attempt, and their upper bound; each is shortened by up to
half. A Retry-After that is longer counts instead."""


class Pause(NamedTuple):
    """Let so many seconds pass."""

    seconds: float


Told: TypeAlias = Reply | Unreachable | None
"""What came of a step; None after a pause."""

Steps: TypeAlias = Generator[Request | Pause, Told, T]


class Calls:
    """Makes a client's calls; takes the arguments of `Client`, and `now`, which tells the time in seconds."""

    def __init__(
        self,
        address: Address,
        *,
        timeout: float,
        patience: float,
        retries: int | None,
        notice: Callable[[str], object] | None,
        now: Callable[[], float],
    ) -> None:
        self._url = address.url
        self._timeout = timeout
        self._patience = patience
        self._retries = retries
        self._notice = notice
        self.now = now

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        once: bool = False,
        until: float | None = None,
    ) -> Steps[Reply]:
        """Returns the good answer to a request, by `until` where given; `once`: not repeated if it may have worked."""
        sent = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        end = last = math.inf if until is None else until
        attempt, backoff = 0, _BACKOFF
        while True:
            pause, within = backoff * random.uniform(0.5, 1.0), max(0.1, end - self.now())
            answer = yield Request(method, path, body, sent, min(self._timeout, within), within)
            error: ClientError
            if isinstance(answer, Unreachable):
                error, again = answer, answer.again and not (once and answer.sent)
            else:
                assert answer is not None, "a request has an answer"
                if answer.status == 200:
                    return answer
                error = self._error(answer)
                again, pause = _may_repeat(answer, error, once=once), max(pause, answer.retry_after or 0.0)
            # It is the first failure that sets it: each later one would set it later.
            last = min(last, self.now() + self._patience)
            if not again or attempt == self._retries or self.now() + pause > last:
                raise error
            attempt, backoff = attempt + 1, min(_BACKOFF_MAX, 2 * backoff)
            if self._notice:
                self._notice(f"{error} Trying again in {pause:.1f} s.")
            yield Pause(pause)

    def document(self, kind: type[D], text: bytes | str) -> D:
        """Returns the document that JSON text holds. Raises Unreachable for anything else."""
        try:
            return kind(json.loads(text))
        except Unlike as error:
            raise Unreachable(f"{self._url} answers, but not as this service does: {error}.") from None
        except (ValueError, TypeError, RecursionError):
            raise Unreachable(f"{self._url} answers, but not as this service does.") from None

    def _error(self, answer: Reply) -> ClientError:
        """Returns what an answer other than 200 means."""
        if answer.location is not None and 300 <= answer.status < 400:
            return Unreachable(f"{self._url} redirects to {answer.location}; use that address instead.", again=False)
        try:
            return Refused(answer.status, json.loads(answer.body), answer.retry_after)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            prefix = "; if it is embedded, its URL ends with its url_prefix" if answer.status == 404 else ""
            return Unreachable(f"{self._url} answers {answer.status}, but not as this service does{prefix}.")


def _may_repeat(answer: Reply, error: ClientError, *, once: bool) -> bool:
    """Returns whether a request may be repeated after an answer other than 200; `once` as in `call`."""
    if answer.status == 409:
        return answer.retry_after is not None
    if once:
        # Some proxies answer 503, too, where the service broke off.
        return answer.status == 429 or (answer.status == 503 and isinstance(error, Refused))
    return answer.status in (429, 502, 503, 504)
