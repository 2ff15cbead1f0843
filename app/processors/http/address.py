"""Where an upstream is: the parts of its URL."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from urllib3.util import parse_url

from ...errors import ConfigError

_PORTS = {"http": 80, "https": 443}

Origin: TypeAlias = tuple[str | None, str | None, int | None]


class Address(NamedTuple):
    """The URL of an upstream: what names it, and the path and query to ask it for, as they were set."""

    base: str
    host: str
    userinfo: str
    target: str


def address_of(url: str, key: str) -> Address:
    """Returns the parts of a URL. Raises ConfigError, which starts with `key` and never repeats the URL."""
    try:
        scheme, netloc, path, query, fragment = urlsplit(url)
        userinfo, _, host = netloc.rpartition("@")
        found = origin_of(f"{scheme}://{host.replace('{', '0').replace('}', '0')}")
    except ValueError:
        raise ConfigError(f"{key} is not a URL.") from None
    if scheme not in _PORTS or not found[1]:
        raise ConfigError(f"{key} must start with http:// or https:// and a host.")
    target = f"{path}?{query}" if query else path
    if "{{" in target or "{%" in target:
        target = f"{target}#{fragment}" if fragment else target
    for mark in ("{ids}", "{id}"):
        if mark in url and mark not in target:
            raise ConfigError(f"{key} must hold {mark} in its path or its query.")
    if "{" in netloc:
        raise ConfigError(f"{key} must hold its templates in its path or its query.")
    return Address(f"{scheme}://{host}", host, unquote(userinfo), target)


def origin_of(url: str) -> Origin:
    """Returns scheme, host and port of a URL. Raises ValueError where it is none."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or _PORTS.get(parts.scheme or "")
