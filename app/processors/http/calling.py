"""One request to the upstream and its answer: connections, redirects, errors."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut

from ...config import Settings
from ...core import most_concurrency
from ...errors import HoldQueue, InvalidResult, PermanentError, UpstreamError
from ...httpclient import TimelyResponse, reading_until
from ..current import hold_queue, slow_down
from .address import Address, origin_of
from .limits import exhausted, retry_after
from .quotation import Quotation
from .templates import Ask, refuse
from .wording import EXCERPT, Wording, reason_of, wording_of

_MOST_REDIRECTS = 5
_REDIRECTS_OF_ANY_METHOD = (307, 308)
_TEMPORARY = frozenset({408, 429})
_CHUNK = 65_536
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
"""Headers that hold no key."""


class _Plain(HTTPConnectionPool):
    class ConnectionCls(HTTPConnection):
        response_class = TimelyResponse


class _Secure(HTTPSConnectionPool):
    class ConnectionCls(HTTPSConnection):
        response_class = TimelyResponse


class Reply(NamedTuple):
    """What the upstream said: its JSON, None for no content, and its headers."""

    data: Any
    headers: Mapping[str, str]
    status: int
    say: Wording
    beginning: bytes

    def unfit(self, why: str) -> InvalidResult:
        """Returns the error of an answer that is no data; `why` goes on from `answered 200 to …`, as in `with …`."""
        return InvalidResult(self.says(why))

    def says(self, what: str) -> str:
        return self.say(f"answered {self.status} to", f" {what}", self.beginning)


class Caller:
    """Makes requests under UPSTREAM_TIMEOUT, UPSTREAM_MAX_BODY and a deadline, with the headers that are set.

    Redirects are followed on the same scheme, host and port only. Errors name host, method and path, never the query,
    and repeat no header. With UPSTREAM_ADAPT, what an answer's headers say of limits holds or slows down the queue.
    """

    def __init__(
        self, address: Address, settings: Settings, *, nothing: frozenset[int], secrets: Sequence[str] = ()
    ) -> None:
        """`nothing` are the statuses that are an answer without data; no error shows one of `secrets`, or a header."""
        self.name = f"The upstream {address.host}"
        self._address = address
        self._origin = origin_of(address.base)
        self._method = settings.upstream_method
        self._nothing = nothing
        # With an idempotency key 409 says that an earlier request with it goes on
        # (draft-ietf-httpapi-idempotency-key-header-07, section 2.7).
        self._temporary = _TEMPORARY | ({409} if settings.upstream_idempotency_header else set())
        self._timeout = settings.upstream_timeout
        self._patience = settings.process_timeout
        self._most_bytes = settings.upstream_max_body
        self._connections = most_concurrency(settings)
        self._adapt = settings.upstream_adapt
        self._headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "Flask-Ingestion"}
        if settings.upstream_body:
            self._headers["content-type"] = "application/json"
        if address.userinfo:
            self._headers["authorization"] = "Basic " + b64encode(address.userinfo.encode()).decode()
        self._headers |= dict(settings.upstream_headers)
        keys = [value for name, value in settings.upstream_headers if name not in _HARMLESS]
        self.quoted = Quotation([*keys, self._headers.get("authorization", ""), *secrets])
        self._open()

    def deadline(self) -> float:
        """Returns when an attempt that begins now must be over, on the monotonic clock."""
        return time.monotonic() + self._patience

    def call(self, ask: Ask, deadline: float, *, about: str = "", headers: Mapping[str, str] = {}) -> Reply:
        """Returns the answer to a request; `about` goes into errors, and `headers` beside the others.

        Raises PermanentError if the upstream refuses or its answer is unusable, HoldQueue if it wants quiet, and
        UpstreamError if another attempt may succeed.
        """
        url = self._address.base + ask.target
        for _ in range(1 + _MOST_REDIRECTS):
            say = wording_of(self.name, self._method, url, about, self.quoted)
            try:
                if (wait := min(self._timeout, deadline - time.monotonic())) <= 0:
                    raise TimedOut
                with self._request(url, ask.body, headers, wait, deadline) as response:
                    if not (location := response.get_redirect_location()):
                        return self._answer(response, say)
                    url = self._redirected(url, response.status, location, say)
            except HTTPError as error:
                late = time.monotonic() >= deadline
                words = ("was not done with", f" within {self._patience:g} s") if late else self._failure(error)
                # What came of a body is not repeated: a secret that is cut off cannot be recognised.
                raise UpstreamError(say(*words)) from error
        raise PermanentError(say("redirected", f" more than {_MOST_REDIRECTS} times"))

    @contextmanager
    def _request(
        self, url: str, body: bytes | None, headers: Mapping[str, str], wait: float, deadline: float
    ) -> Iterator[BaseHTTPResponse]:
        if os.getpid() != self._pid:
            # A forked child must not use its parent's connections.
            self._open()
        with reading_until(deadline):
            response = self._pool.request(
                self._method,
                url,
                body=body,
                headers={**self._headers, **headers},
                timeout=Timeout(connect=wait, read=wait),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        try:
            yield response
        finally:
            # A response read to its end has returned its connection by now; any other must not be reused.
            response.close()
            response.release_conn()

    def _open(self) -> None:
        self._pool = PoolManager(num_pools=1, maxsize=self._connections)
        self._pool.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}
        self._pid = os.getpid()

    def _failure(self, error: HTTPError) -> tuple[str, str]:
        """Returns what a sentence says before and after the request."""
        # A connection that was refused counts as a timeout in urllib3's tree.
        if isinstance(error, TimedOut) and not isinstance(error, NewConnectionError):
            return "did not answer", f" within {self._timeout:g} s"
        why = self.quoted(reason_of(error))
        if isinstance(error, SSLError):
            return "gave no answer to", f", for it cannot be trusted over TLS ({why})"
        return "gave no answer to", f" ({why})"

    def _redirected(self, url: str, status: int, location: str, say: Wording) -> str:
        # The body is not repeated: it says the location again, with its query.
        try:
            target = urljoin(url, location)
            origin = origin_of(target)
        except ValueError:
            raise PermanentError(say("redirected", " to something that is not a URL")) from None
        if origin != self._origin:
            scheme, host, port = origin
            where = self.quoted(f"{scheme}://{host}:{port}")
            only = "redirects are followed on the same scheme, host and port only"
            raise PermanentError(say("redirected", f" to {where}; {only}"))
        if self._method != "GET" and status not in _REDIRECTS_OF_ANY_METHOD:
            raise PermanentError(say("redirected", f" with {status}, which would make it a GET"))
        return target

    def _answer(self, response: BaseHTTPResponse, say: Wording) -> Reply:
        status, answered = response.status, f"answered {response.status} to"
        self._heed(response, f"{say.name} {answered} {say.asked}")
        if 200 <= status < 300 and status not in self._nothing:
            whole = self._read(response, say)
            return Reply(self._parsed(response, say, whole), response.headers, status, say, whole[:EXCERPT])
        body = bytearray()
        with suppress(HTTPError):  # what did arrive is shown
            while len(body) < EXCERPT and (chunk := response.read1(EXCERPT)):
                body += chunk
        if status in self._nothing:  # and was read, so that the connection can be used again
            return Reply(None, response.headers, status, say, b"")
        if 300 <= status < 500 and status not in self._temporary:
            raise PermanentError(say(answered, body=body), status=status)
        raise UpstreamError(say(answered, body=body), status=status)

    def _heed(self, response: BaseHTTPResponse, said: str) -> None:
        """Hold the queue or slow it down as the headers ask. Raises HoldQueue where that is why there is no data."""
        status, headers = response.status, response.headers
        # GitHub's limits answer 403, by which others mean that it will never be allowed: so the headers decide.
        refused = status in (429, 503) or (self._adapt and status == 403)
        if refused and (seconds := retry_after(headers)) is not None:
            raise HoldQueue(seconds, said)
        if not self._adapt:
            return
        if (seconds := exhausted(headers)) is not None:
            if refused:
                raise HoldQueue(seconds, said)
            hold_queue(seconds, f"{self.name} says that nothing is left of what it allows")
        elif status == 429:
            slow_down(said)

    def _read(self, response: BaseHTTPResponse, say: Wording) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                more = f" with more than {self._most_bytes} bytes"
                raise PermanentError(say(f"answered {response.status} to", more, body))
        return bytes(body)

    def _parsed(self, response: BaseHTTPResponse, say: Wording, body: bytes) -> Any:
        try:
            return json.loads(body, parse_constant=refuse)
        except (ValueError, RecursionError):
            answered = f"answered {response.status} to"
            if "content-length" in response.headers or "transfer-encoding" in response.headers:
                raise PermanentError(say(answered, " with no JSON", body)) from None
            # A body that ends with its connection cannot be told from one that was cut off (RFC 9112, section 8).
            raise UpstreamError(say(answered, " with no JSON, or was cut off", body)) from None
