"""Whom the standalone service keeps out: pages that rebind their name (DNS rebinding), other machines without keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from flask import Flask, Response

from ..config import Settings
from ..core import shown
from ..errors import ConfigError
from ..receivers import Host
from ..service import Service
from .problems import problem
from .request import current

_PROBES = frozenset({"livez", "readyz"})
"""An orchestrator asks them at an address that nobody knows beforehand, and they say only how the worker is."""


def check_hosts(app: Flask, settings: Settings, *, keyed: bool) -> None:
    """Let the standalone service answer 421 (RFC 9110, section 15.5.20) to a request for a host it does not know.

    A page elsewhere can have its own name resolve to this machine, so that its browser takes the service for a part of
    the page's site. The name is still in `Host`, which no page can change. A request without one comes from no browser.
    An app that embeds the service has Flask's TRUSTED_HOSTS for this. `keyed` says that callers need keys.
    """
    known = settings.trusted_hosts or (() if keyed else own_hosts(settings))
    if not known:
        return
    names = Names(known)

    @app.before_request
    def before() -> Response | None:
        this = current()
        host, port = this.environ.get("HTTP_HOST"), this.environ["SERVER_PORT"]
        if host is None or names.include(host, port) or (this.endpoint or "").rpartition(".")[2] in _PROBES:
            return None
        return problem(
            421,
            f"This service does not answer to the host {shown(host)}; if it should, add it to INGEST_TRUSTED_HOSTS.",
        )


def own_hosts(settings: Settings) -> tuple[Host, ...]:
    """Returns the names of this machine that a service open to everybody on it answers to; none where it need not."""
    if settings.allow_open:
        return ()
    address = settings.host.strip("[]").lower()
    names = "localhost", "127.0.0.1", "[::1]", f"[{address}]" if ":" in address else address
    return tuple(Host(name, None) for name in names)


class Names:
    """Hosts as requests may name them: one without a port at the service's own port or none, others as they stand."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._bare = {host.name for host in hosts if host.port is None}
        self._whole = {str(host) for host in hosts}

    def include(self, text: str, own_port: str) -> bool:
        """Returns whether a Host header names one of them."""
        text = text.lower()
        name, _, port = text.rpartition(":")
        return text in self._whole or (name in self._bare and port == own_port)


def refuse_open(settings: Settings, services: Iterable[Service]) -> None:
    """Raise ConfigError if one of the services would answer other machines without a key, when our server runs them.

    `settings` are those of the process. Under a server of its own, a host decides who reaches which route.
    """
    if settings.allow_open or _is_loopback(settings.host):
        return
    for service in services:
        if not service.settings.api_keys:
            raise ConfigError(
                f"INGEST_HOST is {settings.host!r}, which other machines can reach, and there are no "
                f"{Settings.key_of(service.name, 'api_keys')}: make one with `flask ingestion keys new NAME`, "
                "or set INGEST_ALLOW_OPEN=1 where a proxy in front asks who calls."
            )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
