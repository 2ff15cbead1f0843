"""Wikidata's wbgetentities: one call at a time, and maxlag (www.mediawiki.org, "API:Etiquette", "Manual:Maxlag")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.upstream import Exchange

from .rules import Serial
from .standin import Refused, StandIn, answered, query_of

pytestmark = pytest.mark.realtime


class Wikidata(StandIn):
    """Takes 2.5 seconds for a call; its databases lag at the fourth."""

    recipe = "Wikidata, wbgetentities"
    scale = 10
    rate = 1 / 2.5

    def __init__(self) -> None:
        super().__init__()
        self._at_once = Serial(1)
        self._number = 0
        self._lagging_until = 0.0

    def answer(self, exchange: Exchange, now: float) -> None:
        with self._at_once as alone:
            self._number += 1
            query = query_of(exchange)
            ids = query["ids"].split("|")
            if not alone:
                self.violated("not one at a time")
            if len(ids) > 50 or "@" not in exchange.headers["user-agent"]:
                self.violated("too many ids, or nobody knows from whom")
            if now < self._lagging_until:
                self.violated("within Retry-After")
            if self._number == 4:
                self._lagging_until = now + 5
                self.paused += 5 - 1 / self.rate
                error = {"code": "maxlag", "info": "Waiting for a database server: 7.3 seconds lagged.", "lag": 7.3}
                headers = {"mediawiki-api-error": "maxlag", "retry-after": query["maxlag"], "x-database-lag": "7"}
                return self.reply(exchange, {"error": error, "servedby": "mw1"}, 200, headers)
            exchange.hang(1 / self.rate / self.scale)
            return self.reply(exchange, {"entities": {one: entity(one) for one in ids}, "success": 1})


def entity(one: str) -> dict[str, Any]:
    if int(one[1:]) > 1_000_000:
        return {"id": one, "missing": ""}
    return {"type": "item", "id": one, "labels": {"en": {"language": "en", "value": f"item {one}"}}}


def test_every_entity_is_fetched() -> None:
    ids, unknown = [f"Q{number}" for number in range(1, 7 * 50)], "Q1000001"
    _, found = answered(Wikidata, [*ids, unknown])
    assert found.pop(unknown) == Refused("there is no such entity")
    assert {one: item["labels"]["en"]["value"] for one, item in found.items()} == {one: f"item {one}" for one in ids}
