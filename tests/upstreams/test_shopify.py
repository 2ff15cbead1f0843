"""Shopify's REST Admin API: a leaky bucket of 40, and its level in a header (shopify.dev, "API limits")."""

from __future__ import annotations

import math

import pytest

from tests.support.upstream import Exchange

from .rules import Leaky
from .standin import Refused, StandIn, answered, query_of

pytestmark = pytest.mark.realtime


class Shopify(StandIn):
    recipe = "Shopify, REST Admin"
    scale = 20
    rate = 2
    size = 40

    def __init__(self) -> None:
        super().__init__()
        self._bucket = Leaky(40, 2)

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._bucket.allows(now)
            headers = {"x-shopify-shop-api-call-limit": f"{math.ceil(self._bucket.level)}/40"}
        if exchange.headers["x-shopify-access-token"] != "TOKEN":
            return self.reply(exchange, {"errors": "[API] Invalid API key or access token"}, 401, headers)
        if not allowed:
            self.violated("Exceeded 2 calls per second for api client.")
            return self.reply(exchange, {"errors": "Reduce request rates."}, 429, {**headers, "retry-after": "2.0"})
        ids = [int(one) for one in query_of(exchange)["ids"].split(",")]
        if len(ids) > 250:
            self.violated("more than 250 ids")
        products = [{"id": one, "title": f"Product {one}"} for one in sorted(ids, reverse=True) if one < 9_000_000_000]
        return self.reply(exchange, {"products": products}, 200, headers)


def test_every_product_is_fetched() -> None:
    ids, unknown = range(632_910_392, 632_910_392 + 90 * 250 - 1), 9_000_000_001
    stand_in, found = answered(Shopify, [*ids, unknown])
    assert found[unknown] == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert all(found[one] == {"id": one, "title": f"Product {one}"} for one in ids)
