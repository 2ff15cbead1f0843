"""MusicBrainz: one call a second on average, and who calls (musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.support.upstream import Exchange

from .rules import Sliding
from .standin import Refused, StandIn, answered

pytestmark = pytest.mark.realtime


class MusicBrainz(StandIn):
    """Takes the average of ten seconds."""

    recipe = "MusicBrainz"
    scale = 7
    rate = 1

    def __init__(self) -> None:
        super().__init__()
        self._limit = Sliding(10, 10)

    def answer(self, exchange: Exchange, now: float) -> None:
        with self.lock:
            allowed = self._limit.allows(now)
        if not re.fullmatch(r"[\w.-]+/[\d.]+ \(.+\)", exchange.headers["user-agent"]):
            self.violated("a user agent that does not say who calls")
        if not allowed:
            self.violated("exceeding the allowable rate limit")
            return self.reply(exchange, {"error": "Your requests are exceeding the allowable rate limit."}, 503)
        artist = urlsplit(exchange.path).path.removeprefix("/ws/2/artist/")
        if UUID(artist).int > 100:
            return self.reply(exchange, {"error": "Not Found", "help": "For usage, please see the manual"}, 404)
        return self.reply(exchange, {"id": artist, "name": f"Artist {UUID(artist).int}"})


def test_every_artist_is_fetched() -> None:
    unknown = str(UUID(int=101))
    ids = [str(UUID(int=number)) for number in range(1, 13)]
    stand_in, found = answered(MusicBrainz, [*ids, unknown])
    assert found.pop(unknown) == Refused(f"The upstream {stand_in.host} has nothing for it.")
    assert [found[one]["name"] for one in ids] == [f"Artist {number}" for number in range(1, 13)]
