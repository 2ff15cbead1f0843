"""Who may receive callbacks: addresses, the hosts that are allowed, and the secret that signs."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LONGEST_URL = 2000
"""Characters of an address at most."""

_PRINTABLE = re.compile(r"[!-~]*")
_HOST = re.compile(r"[0-9a-z._-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_SECRET = "whsec_"
_KEY_LEAST, _KEY_MOST = 24, 64
"""Bytes of a signing key, by the Standard Webhooks specification."""


class Host(NamedTuple):
    """A host that an address may name. Without a port it stands for that of the scheme, 80 or 443."""

    name: str
    port: int | None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class Address(NamedTuple):
    """Where to POST: the parts of an http or https URL. `path` has its query."""

    scheme: str
    name: str
    port: int
    path: str

    @property
    def host(self) -> str:
        """The host as messages name it, which never show a path: it may hold a secret."""
        return str(Host(self.name, None if self.port == _PORTS[self.scheme] else self.port))

    def is_among(self, hosts: tuple[Host, ...]) -> bool:
        """Returns whether exactly this host, at this port, is one of them."""
        return Host(self.name, self.port) in hosts or (
            self.port == _PORTS[self.scheme] and Host(self.name, None) in hosts
        )


def address_of(url: str) -> Address:
    """Returns the parts of a URL. Raises ValueError, which says what is wrong and never repeats the URL."""
    # urlsplit drops tabs and newlines, and so would find another host than the text has.
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url):
        raise ValueError(f"it must be at most {LONGEST_URL} printable ASCII characters, without spaces")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("it must start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("it must not hold a user or a password")
    host = _host(parts.netloc)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host.name, host.port or _PORTS[parts.scheme], path)


def _host(text: str) -> Host:
    name, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = text, ""
    if not _HOST.fullmatch(name) or (port and not (port.isdigit() and 0 < int(port) < 65_536)):
        raise ValueError("it must name a host such as example.org or example.org:8443")
    return Host(name.lower(), int(port) if port else None)


def parse_url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be text")
    if url := value.strip():
        address_of(url)
    return url


parse_url.__doc__ = "an http or https URL without user and password"


def parse_hosts(value: Any) -> tuple[Host, ...]:
    texts = value.split(",") if isinstance(value, str) else value
    return tuple(_host(str(text).strip()) for text in texts if str(text).strip())


parse_hosts.__doc__ = "hosts such as example.org or example.org:8443, separated by commas"


def parse_secrets(value: Any) -> tuple[bytes, ...]:
    texts = value.split(",") if isinstance(value, str) else value
    return tuple(_key(str(text).strip()) for text in texts if str(text).strip())


parse_secrets.__doc__ = "whsec_ and the base64 of 24 to 64 random bytes, or several such with commas between"


def _key(text: str) -> bytes:
    if not text.startswith(_SECRET):
        raise ValueError(f"it must start with {_SECRET}")
    encoded = text.removeprefix(_SECRET)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {_SECRET} is not base64") from None
    if not _KEY_LEAST <= len(key) <= _KEY_MOST:
        raise ValueError(f"it holds {len(key)} bytes, not {_KEY_LEAST} to {_KEY_MOST}")
    return key
