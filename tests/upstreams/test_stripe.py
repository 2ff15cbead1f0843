"""Stripe: a rate, and keys under which it acts once (docs.stripe.com, "Rate limits", "Idempotent requests")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.upstream import Exchange

from .rules import Leaky
from .standin import Refused, StandIn, answered

pytestmark = pytest.mark.realtime


class Stripe(StandIn):
    """Two of the first answers are lost on their way, after it has acted."""

    recipe = "Stripe"
    scale = 1
    rate = 25
    size = 25

    def __init__(self) -> None:
        super().__init__()
        self._bucket = Leaky(25, 25)
        self._told: dict[str, tuple[int, Any]] = {}
        self.captured: list[str] = []
        self.replayed = 0

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._bucket.allows(now)
        if (exchange.command, exchange.headers["authorization"]) != ("POST", "Bearer sk_test_KEY"):
            return self.reply(exchange, {"error": {"type": "invalid_request_error"}}, 401)
        if not allowed:
            self.violated("too many requests hit the API too quickly")
            return self.reply(exchange, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}, 429)
        intent, key = exchange.path.split("/")[3], exchange.headers["idempotency-key"]
        with self.lock:
            if key in self._told:
                self.replayed += 1
                status, answer = self._told[key]
                return self.reply(exchange, answer, status, {"idempotent-replayed": "true"})
            status, answer = self._told[key] = self._capture(intent)
            lost = len(self.captured) in (5, 15)
        return exchange.drop() if lost else self.reply(exchange, answer, status)

    def _capture(self, intent: str) -> tuple[int, Any]:
        if intent == "pi_nobody":
            return 404, {"error": {"code": "resource_missing", "message": "No such payment_intent: 'pi_nobody'"}}
        if intent in self.captured:
            self.violated(f"{intent} is captured twice")
        self.captured.append(intent)
        return 200, {"id": intent, "object": "payment_intent", "status": "succeeded"}


def test_every_payment_is_captured_once() -> None:
    ids = [f"pi_3MtwBwLkdIwHu7ix{number:04}" for number in range(66)]
    stand_in, found = answered(Stripe, [*ids, "pi_nobody"])
    assert found.pop("pi_nobody") == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert {item["status"] for item in found.values()} == {"succeeded"}
    assert sorted(stand_in.captured) == ids
    assert stand_in.replayed == 2
