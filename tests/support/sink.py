"""A receiver of callbacks on a real port, which verifies every signature by its own computation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from .upstream import Exchange, Upstream

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PATIENCE = 20.0
"""Seconds of real time after which a test gives up waiting."""


class Told(NamedTuple):
    """A callback that arrived with a good signature."""

    id: str
    timestamp: int
    path: str
    body: dict[str, Any]


def good(exchange: Exchange) -> None:
    exchange.reply(status=204)


class Sink(Upstream):
    """Answers with `script`; `told` is what it was told, in order. A bad signature fails whoever waits."""

    def __init__(self, script: Callable[[Exchange], None] = good) -> None:
        super().__init__(self._receive)
        self.answer = script
        self.told: list[Told] = []
        self.changed = threading.Condition()
        self._bad: list[str] = []

    def _receive(self, exchange: Exchange) -> None:
        with self.changed:
            try:
                self.told.append(verified(exchange.headers, exchange.path, exchange.body))
            except (AssertionError, KeyError, ValueError) as error:
                self._bad.append(repr(error))
            self.changed.notify_all()
        self.answer(exchange)

    def until(self, count: int) -> list[Told]:
        """Wait for a number of callbacks."""
        with self.changed:
            there = self.changed.wait_for(lambda: self._bad or len(self.told) >= count, PATIENCE)
        assert not self._bad, self._bad
        assert there, f"{count} callbacks expected, {len(self.told)} came"
        return list(self.told)


def verified(headers: Any, path: str, body: bytes) -> Told:
    """What the Standard Webhooks specification has a receiver do, but for the age of the timestamp."""
    id_, moment = headers["webhook-id"], headers["webhook-timestamp"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in (id_.encode(), b".", moment.encode(), b".", body):
        mac.update(part)
    versions = [one.split(",") for one in headers["webhook-signature"].split(" ")]
    assert ["v1", base64.b64encode(mac.digest()).decode()] in versions, "the signature is wrong"
    assert headers["content-type"] == "application/json"
    return Told(id_, int(moment), path, json.loads(body))
