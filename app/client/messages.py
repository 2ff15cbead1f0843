"""What goes to a service and comes back, whatever carries it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ..httpclient import seconds_to_wait

_IN_A_PATH = "/%:!$&'()*+,;="
"""What a path may hold as it is (RFC 3986, section 3.3), beside letters, digits and what is never quoted."""


class Address:
    """Where a service is, and what every request to it carries. Raises ValueError for what is no URL or key."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url.strip())
        host = _ascii(parts.hostname or "")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in url:
            raise ValueError(f"The URL of a service looks like http://127.0.0.1:8000, not {url!r}.")
        self.secure = parts.scheme == "https"
        self.host, self.port, self.path = host, parts.port, quote(parts.path.rstrip("/"), safe=_IN_A_PATH)
        port = "" if self.port is None else f":{self.port}"
        self.url = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{self.path}"
        self.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "flask-ingestion",
        }
        if key is not None:
            if not key.strip().isascii() or not key.strip().isprintable():
                raise ValueError("The key holds a character that no header may hold.")
            self.headers["Authorization"] = f"Bearer {key.strip()}"


class Request(NamedTuple):
    """A request to a path below the service's; its body is JSON. Each wait for the network takes `timeout` seconds
    at most, and all of them together `within`."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    timeout: float
    within: float = math.inf


class Reply(NamedTuple):
    """An answer. `retry_after` is in seconds; `body` is empty while it is still to be read."""

    status: int
    retry_after: float | None
    location: str | None
    body: bytes = b""

    @classmethod
    def of(cls, status: int, header: Callable[[str], str | None]) -> Reply:
        """Returns an answer whose headers `header` gives by their names."""
        return cls(status, seconds_to_wait(header), header("Location"))


class CutOff(Exception):
    """A body ended in the middle of a line."""


class Lines:
    """Cuts the blocks of a body into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, block: bytes) -> list[str]:
        """Returns the lines that a block completes."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        return [line.decode() for line in lines]

    def end(self) -> None:
        """Raises CutOff if the last line is not complete."""
        if self._rest:
            raise CutOff


def _ascii(host: str) -> str:
    """Returns a host as DNS takes it (RFC 3490), empty if no host can have that name."""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return name if name.isprintable() and " " not in name else ""
