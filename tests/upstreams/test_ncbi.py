"""NCBI E-utilities: 3 calls a second, 10 with a key (www.ncbi.nlm.nih.gov/books/NBK25497)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.upstream import Exchange

from .rules import Sliding
from .standin import Refused, StandIn, answered, query_of

pytestmark = pytest.mark.realtime


class Ncbi(StandIn):
    recipe = "NCBI E-utilities"
    scale = 1
    rate = 10

    def __init__(self) -> None:
        super().__init__()
        self._limits = {True: Sliding(10, 1), False: Sliding(3, 1)}

    def answer(self, exchange: Exchange, now: float) -> None:
        query = query_of(exchange)
        with_key = "api_key" in query
        limit = self._limits[with_key]
        with self.lock:
            allowed = limit.allows(now)
        headers = {"x-ratelimit-limit": str(limit.most), "x-ratelimit-remaining": str(limit.left)}
        if not allowed:
            self.violated("API rate limit exceeded")
            error = {"error": "API rate limit exceeded", "api-key": query.get("api_key"), "limit": str(limit.most)}
            return self.reply(exchange, error, 429, {**headers, "retry-after": "2"})
        uids = query["id"].split(",")
        result: dict[str, Any] = {"uids": uids}
        for uid in uids:
            known = int(uid) < 40_000_000
            result[uid] = {"uid": uid} | ({"title": f"On {uid}"} if known else {"error": "cannot get document summary"})
        return self.reply(exchange, {"header": {"type": "esummary", "version": "0.3"}, "result": result}, 200, headers)


def test_every_summary_is_fetched() -> None:
    ids, unknown = range(31_000_000, 31_000_000 + 18 * 200 - 1), 40_000_001
    _, found = answered(Ncbi, [*ids, unknown])
    assert all(found[one] == {"uid": str(one), "title": f"On {one}"} for one in ids)
    assert found[unknown] == Refused("cannot get document summary")
