"""HubSpot's batch read: calls in any ten seconds and by day (developers.hubspot.com, "API usage guidelines")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.upstream import Exchange

from .rules import Sliding
from .standin import Refused, StandIn, answered

pytestmark = pytest.mark.realtime


class HubSpot(StandIn):
    recipe = "HubSpot, batch read"
    scale = 5
    rate = 10

    def __init__(self) -> None:
        super().__init__()
        self._limit = Sliding(100, 10)
        self._daily = 250_000

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._limit.allows(now)
            self._daily -= 1
            headers = {
                "x-hubspot-ratelimit-max": "100",
                "x-hubspot-ratelimit-remaining": str(self._limit.left),
                "x-hubspot-ratelimit-interval-milliseconds": "10000",
                "x-hubspot-ratelimit-daily": "250000",
                "x-hubspot-ratelimit-daily-remaining": str(self._daily),
            }
        if exchange.headers["authorization"] != "Bearer TOKEN":
            return self.reply(exchange, {"status": "error", "category": "INVALID_AUTHENTICATION"}, 401, headers)
        if not allowed or self._daily < 0:
            self.violated("You have reached your ten_secondly_rolling limit.")
            error = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
            return self.reply(exchange, error, 429, headers)
        wanted = json.loads(exchange.body)
        if exchange.command != "POST" or len(wanted["inputs"]) > 100:
            self.violated("the request is malformed")
            return self.reply(exchange, {"status": "error", "category": "VALIDATION_ERROR"}, 400, headers)
        status, answer = read([item["id"] for item in wanted["inputs"]], wanted["properties"])
        return self.reply(exchange, answer, status, headers)


def read(ids: list[str], properties: list[str]) -> tuple[int, dict[str, Any]]:
    """Records in no particular order; of those that are not there an error of its own."""
    there = sorted((one for one in ids if int(one) < 1_000_000), reverse=True)
    answer: dict[str, Any] = {
        "status": "COMPLETE",
        "results": [{"id": one, "properties": {name: f"{name} {one}" for name in properties}} for one in there],
    }
    if missing := [one for one in ids if one not in there]:
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}
        return 207, {**answer, "numErrors": 1, "errors": [error]}
    return 200, answer


def test_every_contact_is_read() -> None:
    ids, unknown = range(1, 110 * 100), 1_000_001
    stand_in, found = answered(HubSpot, [*ids, unknown])
    assert found[unknown] == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert all(found[one]["properties"]["email"] == f"email {one}" for one in ids)
