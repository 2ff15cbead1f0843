"""OpenAlex: a key, 10,000 lists a day, 100 calls a second (developers.openalex.org, "Authentication")."""

from __future__ import annotations

import pytest

from tests.support.upstream import Exchange

from .rules import Sliding
from .standin import Refused, StandIn, answered, query_of

pytestmark = pytest.mark.realtime


class OpenAlex(StandIn):
    recipe = "OpenAlex"
    scale = 1
    rate = 10
    """What the recipe asks for: the allowance of a day binds, not that of a second."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = Sliding(100, 1)
        self._left = 10_000

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._limit.allows(now)
            self._left -= 1
        headers = {
            "x-ratelimit-limit": "10000",
            "x-ratelimit-remaining": str(self._left),
            "x-ratelimit-reset": str(86_400 - int(now) % 86_400),
        }
        if not allowed or self._left < 0:
            self.violated("Rate limit exceeded")
            return self.reply(exchange, {"error": "Rate limit exceeded"}, 429, headers)
        query = query_of(exchange)
        if query.get("api_key") != "KEY":
            return self.reply(exchange, {"error": "API key required"}, 401, headers)
        wanted = query["filter"].removeprefix("openalex:").split("|")
        if len(wanted) > 50:
            self.violated("more than 50 ids")
        there = [one for one in sorted(wanted) if len(one) == 11]
        results = [{"id": f"https://openalex.org/{one}", "display_name": f"On {one}"} for one in there]
        page = {"count": len(there), "page": 1, "per_page": int(query["per-page"])}
        return self.reply(exchange, {"meta": page, "results": results[: page["per_page"]]}, 200, headers)


def test_every_work_is_fetched() -> None:
    unknown = "W1"
    ids = [f"W{number}" for number in range(2_741_809_807, 2_741_809_807 + 18 * 50)]
    stand_in, found = answered(OpenAlex, [*ids, unknown])
    assert found.pop(unknown) == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert {one: item["display_name"] for one, item in found.items()} == {one: f"On {one}" for one in ids}
