"""GitHub REST: an hour's limit in headers, and secondary ones (docs.github.com, "Rate limits for the REST API")."""

from __future__ import annotations

import math

import pytest

from tests.support.upstream import Exchange

from .rules import Fixed, Sliding
from .standin import Refused, StandIn, answered

pytestmark = pytest.mark.realtime

TOKEN = "Bearer TOKEN"


class GitHub(StandIn):
    """80 calls are left of the hour, which ends 12 seconds after the first; one meets a secondary limit."""

    recipe = "GitHub REST"
    scale = 6
    rate = 15

    def __init__(self) -> None:
        super().__init__()
        self._minute = Sliding(900, 60)
        self._hour: Fixed | None = None
        self._blocked_until = 0.0

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            if self._hour is None:
                self._hour = Fixed(5000, 3600, math.ceil(now) + 12, 80)
            hour, number = self._hour, self._hour.left
            allowed = hour.allows(now) and self._minute.allows(now)
        headers = {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(max(0, hour.left)),
            "x-ratelimit-reset": str(int(hour.ends_at)),
            "x-ratelimit-resource": "core",
        }
        if exchange.headers["authorization"] != TOKEN or not exchange.headers["user-agent"]:
            return self.reply(exchange, {"message": "Bad credentials"}, 401, headers)
        if now < self._blocked_until:
            self.violated("within Retry-After")
        if not allowed:
            self.violated("API rate limit exceeded")
            return self.reply(exchange, {"message": "API rate limit exceeded for user ID 1."}, 403, headers)
        if number == 50:
            self._blocked_until = now + 3
            self.paused += 3
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            return self.reply(exchange, {"message": message}, 403, {**headers, "retry-after": "3"})
        if hour.left == 0:
            self.paused += hour.ends_at - now
        issue = int(exchange.path.rpartition("/")[2])
        if issue > 1000:
            return self.reply(exchange, {"message": "Not Found", "status": "404"}, 404, headers)
        return self.reply(exchange, {"number": issue, "title": f"Issue {issue}"}, 200, headers)


def test_every_issue_is_fetched_across_the_end_of_the_hour() -> None:
    stand_in, found = answered(GitHub, [*range(1, 130), 1001])
    assert found.pop(1001) == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert all(found[one]["title"] == f"Issue {one}" for one in found)
