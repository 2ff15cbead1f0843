"""Companies House: 600 calls in 5 minutes, basic auth (developer-specs.company-information.service.gov.uk)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.support.upstream import Exchange

from .rules import Sliding
from .standin import Refused, StandIn, answered

pytestmark = pytest.mark.realtime


class CompaniesHouse(StandIn):
    recipe = "Companies House"
    scale = 120
    rate = 2

    def __init__(self) -> None:
        super().__init__()
        self._limit = Sliding(600, 300)

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._limit.allows(now)
            headers = {
                "x-ratelimit-limit": "600",
                "x-ratelimit-remain": str(self._limit.left),
                "x-ratelimit-reset": str(int(now) + 300),
                "x-ratelimit-window": "5m",
            }
        if exchange.headers["authorization"] != "Basic " + b64encode(b"KEY:").decode():
            return self.reply(exchange, {"error": "Invalid Authorization", "type": "ch:service"}, 401, headers)
        if not allowed:
            self.violated("rate limit exceeded")
            return self.reply(exchange, {"error": "Rate limit exceeded", "type": "ch:service"}, 429, headers)
        number = exchange.path.removeprefix("/company/")
        if number == "99999999":
            errors = [{"error": "company-profile-not-found", "type": "ch:service"}]
            return self.reply(exchange, {"errors": errors}, 404, headers)
        return self.reply(exchange, {"company_number": number, "company_name": f"{number} LIMITED"}, 200, headers)


def test_every_company_is_fetched() -> None:
    unknown = "99999999"
    ids = [f"{'SC' if number % 5 else '00'}{number:06}" for number in range(620)]
    stand_in, found = answered(CompaniesHouse, [*ids, unknown])
    assert found.pop(unknown) == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert {one: item["company_name"] for one, item in found.items()} == {one: f"{one} LIMITED" for one in ids}
