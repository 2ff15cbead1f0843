"""Crossref: lists of works by DOI, limits in its headers (www.crossref.org, "Access and authentication")."""

from __future__ import annotations

import pytest

from tests.support.upstream import Exchange

from .rules import Serial, Sliding
from .standin import Refused, StandIn, answered, query_of

pytestmark = pytest.mark.realtime

HEADERS = {
    "x-rate-limit-limit": "3",
    "x-rate-limit-interval": "1s",
    "x-concurrency-limit": "3",
    "x-api-pool": "polite",
}


class Crossref(StandIn):
    recipe = "Crossref"
    scale = 1.5
    rate = 3

    def __init__(self) -> None:
        super().__init__()
        self._limit = Sliding(3, 1)
        self._at_once = Serial(3)

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._limit.allows(now)
        with self._at_once as few:
            if not allowed or not few:
                self.violated("rate limit exceeded")
                return self.reply(exchange, b"Rate limit exceeded", 429, HEADERS)
            query = query_of(exchange)
            if "@" not in query["mailto"]:
                self.violated("not polite")
            wanted = [one.removeprefix("doi:") for one in query["filter"].split(",")]
            there = [{"DOI": one, "title": [f"On {one}"]} for one in reversed(wanted) if one.startswith("10.1000/")]
            message = {"total-results": len(there), "items": there[: int(query["rows"])]}
            return self.reply(exchange, {"status": "ok", "message-type": "work-list", "message": message}, 200, HEADERS)


def test_every_work_is_fetched() -> None:
    unknown = "10.9999/nobody"
    ids = [f"10.1000/a&b<{number}>(1999)#{number % 7}?x=y" for number in range(9 * 20)]
    stand_in, found = answered(Crossref, [*ids, unknown])
    assert found.pop(unknown) == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert {one: item["title"] for one, item in found.items()} == {one: [f"On {one}"] for one in ids}
