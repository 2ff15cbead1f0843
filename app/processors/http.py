"""The processor that calls an HTTP upstream. Needs urllib3, the extra `http`."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut
from urllib3.util import parse_url

from ..config import Settings
from ..core import Id
from ..errors import ConfigError, HoldQueue, InvalidResult, PermanentError, UpstreamError
from .contract import JSON

_MOST_REDIRECTS = 5
_CHUNK = 65_536
_SHOWN = 200
"""Characters of an error's body that its message shows."""

_HOLD_LEAST, _HOLD_MOST = 1.0, 86_400.0
_PORTS = {"http": 80, "https": 443}


class HttpUpstream:
    """Gets the data of a batch's ids over HTTP.

    A URL with `{ids}` makes one request for the batch, its distinct ids joined by commas, answered by a JSON object
    keyed by id or an array in the order of the ids. A URL with `{id}` makes one request per distinct id, one after
    the other, answered by any JSON; when one of them fails, all of them are made again with the batch. One token pays
    for all of them, so an upstream that counts each wants a BATCH_SIZE of 1. No content (204), or a bare null, is null
    for every id asked.

    `UPSTREAM_TIMEOUT` bounds each connect and each wait for data; all of a call's requests together stop at the first
    wait that ends after `PROCESS_TIMEOUT`. Redirects are followed on the same scheme, host and port only. User and
    password in the URL are sent as basic authentication (RFC 7617); errors name host, method and path, never the query.
    """

    def __init__(self, settings: Settings, prefix: str = "INGEST_") -> None:
        """Raises ConfigError for a URL that cannot be called."""
        self._template, userinfo = _template(settings.upstream_url, f"{prefix}UPSTREAM_URL")
        self._origin = _origin(_fill(self._template, "0"))
        self._name = f"The upstream {urlsplit(self._template).netloc}"
        self._timeout = settings.upstream_timeout
        self._patience = settings.process_timeout
        self._most_bytes = settings.upstream_max_body
        self._connections = settings.concurrency
        self._headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "Flask-Ingestion"}
        if userinfo:
            self._headers["authorization"] = "Basic " + b64encode(unquote(userinfo).encode()).decode()
        self._open()

    def __call__(self, ids: Sequence[Id]) -> Mapping[Id, JSON] | None:
        """Returns the data of each id.

        Raises PermanentError if the upstream refuses or its answer is unusable, HoldQueue if it wants quiet,
        and UpstreamError if another attempt may succeed.
        """
        deadline = time.monotonic() + self._patience
        distinct = list(dict.fromkeys(ids))
        if "{id}" in self._template:
            return {one: self._get(self._url([one]), f" for id {one}", deadline) for one in distinct}
        answer = self._get(self._url(distinct), "", deadline)
        return None if answer is None else self._by_id(distinct, answer)

    def _url(self, ids: list[Id]) -> str:
        """Returns the URL for these ids, each percent-encoded (RFC 3986, section 2.1), commas within them too."""
        url = _fill(self._template, ",".join(quote(str(one), safe="") for one in ids))
        # As a segment of a path these lead elsewhere (section 5.2.4), percent-encoded or not.
        if (away := {".", ".."} & set(map(str, ids))) and away & set(urlsplit(url).path.split("/")):
            raise PermanentError(f"The id {away.pop()!r} cannot be part of a URL's path.")
        return url

    def _by_id(self, ids: list[Id], answer: Any) -> dict[Id, JSON]:
        if isinstance(answer, dict):
            names = {str(one): one for one in ids}
            for name in answer:
                if name not in names:
                    raise InvalidResult(f"{self._name} answered with data for {name!r}, which was not asked.")
            return {names[name]: data for name, data in answer.items()}
        if not isinstance(answer, list):
            raise InvalidResult(
                f"{self._name} answered with a {type(answer).__name__}; "
                "it must be an object keyed by id or an array in the order of the ids."
            )
        if len(answer) != len(ids):
            raise InvalidResult(f"{self._name} answered with {len(answer)} results for {len(ids)} ids.")
        return dict(zip(ids, answer, strict=True))

    def _get(self, url: str, about: str, deadline: float) -> Any:
        try:
            for _ in range(1 + _MOST_REDIRECTS):
                with self._request(url, deadline) as response:
                    if not (location := response.get_redirect_location()):
                        return self._answer(response, url, about, deadline)
                url = self._redirected(url, location)
        except HTTPError as error:
            raise UpstreamError(f"{self._name} {self._failure(error)}{about}.") from error
        raise PermanentError(f"{self._name} redirected more than {_MOST_REDIRECTS} times{about}.")

    @contextmanager
    def _request(self, url: str, deadline: float) -> Iterator[BaseHTTPResponse]:
        if os.getpid() != self._pid:
            # A forked child must not use its parent's connections.
            self._open()
        wait = min(self._timeout, deadline - time.monotonic())
        if wait <= 0:
            self._give_up()
        timeout = Timeout(connect=wait, read=wait)
        response = self._pool.request(
            "GET", url, headers=self._headers, timeout=timeout, retries=False, redirect=False, preload_content=False
        )
        try:
            yield response
        finally:
            # A response read to its end has returned its connection by now; any other must not be reused.
            response.close()
            response.release_conn()

    def _open(self) -> None:
        self._pool = PoolManager(num_pools=1, maxsize=self._connections)
        self._pid = os.getpid()

    def _give_up(self) -> NoReturn:
        raise UpstreamError(f"{self._name} was not done within {self._patience:g} s.")

    def _failure(self, error: HTTPError) -> str:
        # A connection that was refused counts as a timeout in urllib3's tree.
        if isinstance(error, TimedOut) and not isinstance(error, NewConnectionError):
            return f"did not answer within {self._timeout:g} s"
        if isinstance(error, SSLError):
            return f"cannot be trusted over TLS ({error})"
        return f"gave no answer ({error.__cause__ or error})"

    def _redirected(self, url: str, location: str) -> str:
        try:
            target = urljoin(url, location)
            origin = _origin(target)
        except ValueError:
            raise PermanentError(f"{self._name} redirected to something that is not a URL.") from None
        if origin != self._origin:
            scheme, host, port = origin
            raise PermanentError(
                f"{self._name} redirected to {scheme}://{host}:{port}; "
                "redirects are followed on the same scheme, host and port only."
            )
        return target

    def _answer(self, response: BaseHTTPResponse, url: str, about: str, deadline: float) -> Any:
        status = response.status
        if status == 204:
            return None
        if 200 <= status < 300:
            return self._parsed(response, self._body(response, deadline), about)
        # The query is left out, for it may hold a key.
        said = f"{self._name} answered {status} to GET {urlsplit(url).path or '/'}{about}"
        if status in (429, 503) and (seconds := retry_after(response.headers)) is not None:
            raise HoldQueue(seconds, said)
        if 300 <= status < 500 and status not in (408, 429):
            raise PermanentError(said + self._reason(response, deadline))
        raise UpstreamError(said + self._reason(response, deadline))

    def _reason(self, response: BaseHTTPResponse, deadline: float) -> str:
        """Returns the first of what an answer says, to follow a sentence."""
        body = bytearray()
        try:
            while len(body) < 4 * _SHOWN and time.monotonic() < deadline and (chunk := response.read1(4 * _SHOWN)):
                body += chunk
        except HTTPError:
            pass  # what did arrive is shown
        text = " ".join(body.decode(errors="replace").split())
        return f": {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}" if text else "."

    def _body(self, response: BaseHTTPResponse, deadline: float) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                raise PermanentError(f"{self._name} answered with more than {self._most_bytes} bytes.")
            if time.monotonic() > deadline:
                self._give_up()
        return bytes(body)

    def _parsed(self, response: BaseHTTPResponse, body: bytes, about: str) -> Any:
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            if "content-length" in response.headers or "transfer-encoding" in response.headers:
                raise PermanentError(f"{self._name} answered {response.status} with no JSON{about}.") from None
            # A body that ends with its connection cannot be told from one that was cut off (RFC 9112, section 8).
            raise UpstreamError(f"{self._name} answered with no JSON, or was cut off{about}.") from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds of a Retry-After header (RFC 9110, section 10.2.3), from 1 to a day; None if it has none.

    A date counts from the answer's own Date, where it has one, so the two clocks need not agree.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    elif (until := _http_date(value)) is not None:
        sent = _http_date(headers.get("date", ""))
        seconds = until - (time.time() if sent is None else sent)
    else:
        return None
    return min(max(seconds, _HOLD_LEAST), _HOLD_MOST)


def _http_date(text: str) -> float | None:
    """Returns the epoch seconds of an HTTP-date in any of its three forms (RFC 9110, section 5.6.7), else None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _fill(template: str, text: str) -> str:
    return template.replace("{ids}", text).replace("{id}", text)


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    """Returns scheme, host and port of a URL. Raises ValueError where it is none."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or _PORTS.get(parts.scheme or "")


def _template(url: str, key: str) -> tuple[str, str]:
    """Returns the URL without its user and password, and these. Raises ConfigError, which never repeats the URL."""
    marks = [mark for mark in ("{ids}", "{id}") if mark in url]
    if len(marks) != 1:
        raise ConfigError(f"{key} must hold either {{ids}} or {{id}}, at the place where the ids go.")
    try:
        scheme, netloc, path, query, _ = urlsplit(url)
        userinfo, _, host = netloc.rpartition("@")
        template = urlunsplit((scheme, host, path, query, ""))
        found = _origin(_fill(template, "0"))
    except ValueError:
        raise ConfigError(f"{key} is not a URL.") from None
    if scheme not in _PORTS or not found[1]:
        raise ConfigError(f"{key} must start with http:// or https:// and a host.")
    if marks[0] in host or marks[0] not in template:
        raise ConfigError(f"{key} must hold {marks[0]} in its path or its query.")
    return template, userinfo
