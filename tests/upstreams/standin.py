"""What the stand-ins have in common: a server on a fast clock that notes every call, and what its rules forbid."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.scaled import ScaledClock
from tests.support.standalone import Service
from tests.support.upstream import Exchange, Upstream

MOST_IDLE = 10.0
"""Seconds of real time without a call after which a test gives up."""

RECIPES = (Path(__file__).parents[2] / "docs" / "upstreams.md").read_text()


T = TypeVar("T", bound="StandIn")


class Refused(NamedTuple):
    """Why an id failed."""

    why: str


class StandIn:
    """An API; a subclass says in `answer` what becomes of a call.

    `rate` calls a second are allowed in the long run, and `size` at once before. What a client must not do is noted in
    `violations`; `paused` are the seconds for which it was told to wait.
    """

    recipe = ""
    scale = 1.0
    rate = 1.0
    size = 1.0

    def __init__(self) -> None:
        self.clock = ScaledClock(self.scale)
        self.lock = threading.Lock()
        self.calls: list[float] = []
        self.violations: list[str] = []
        self.paused = 0.0
        self._server = Upstream(self._serve)
        self.url = self._server.url
        self.host = urlsplit(self.url).netloc

    def _serve(self, exchange: Exchange) -> None:
        now = self.clock.now()
        with self.lock:
            self.calls.append(now)
        self.answer(exchange, now)

    def answer(self, exchange: Exchange, now: float) -> None:
        raise NotImplementedError

    def violated(self, what: str) -> None:
        self.violations.append(f"call {len(self.calls)}: {what}")

    def reply(self, exchange: Exchange, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        date = formatdate(self.clock.now(), usegmt=True)
        exchange.reply(data, status, {"content-type": "application/json", "date": date, **(headers or {})})

    def share(self) -> float:
        """Which part of the calls that the limits allow, from the first call to the last, was made."""
        lasted = self.calls[-1] - self.calls[0] - self.paused
        return len(self.calls) / (self.size + self.rate * lasted)

    @contextmanager
    def serving(self) -> Iterator[StandIn]:
        with self._server:
            yield self

    def settings(self) -> dict[str, str]:
        """The recipe's settings, with this server in the place of the real one."""
        found = settings_of(self.recipe)
        url = found["INGEST_UPSTREAM_URL"]
        url = re.sub(r"^https://([^@/]*@)?[^/]*", lambda match: f"http://{match[1] or ''}{self.host}", url)
        return {**found, "INGEST_UPSTREAM_URL": url}


def settings_of(recipe: str) -> dict[str, str]:
    """The settings in a section of docs/upstreams.md."""
    (section,) = re.findall(rf"^## {recipe}\n(.*?)(?=^## |\Z)", RECIPES, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    words = [word for word in shlex.split(block) if word != "export"]
    return dict(word.split("=", 1) for word in words)


def query_of(exchange: Exchange) -> dict[str, str]:
    """The members of a query, each once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(exchange.path).query).items()}


def answered(api: type[T], ids: Sequence[Any]) -> tuple[T, dict[Any, Any]]:
    """Run the real service with the recipe's settings until all ids are answered; returns data or Refused of each.

    Fails if the stand-in notes violations, or if less than 95 % of what it allows is used, three times in a row: a busy
    machine may shift arrivals by more than the recipe's margin once, and a defect does so every time.
    """
    for _ in range(3):
        stand_in = api()
        found, log = run(stand_in, ids)
        assert set(found) == set(ids), log
        if not stand_in.violations and stand_in.share() >= 0.95:
            return stand_in, found
    raise AssertionError(f"{stand_in.violations}, {stand_in.share():.3f} of what is allowed; {log}")


def run(stand_in: StandIn, ids: Sequence[Any]) -> tuple[dict[Any, Any], list[str]]:
    """Returns data or Refused of each id, and the log's first warnings.

    The first id goes ahead, for the first call of a process takes long enough to bring the second one closer than the
    margin of a fast clock.
    """
    arguments = ("-m", "tests.support.scaled", str(stand_in.scale))
    with stand_in.serving(), Service(arguments, **stand_in.settings()) as service:
        first = finished(stand_in, service, ids[:1])
        stand_in.calls.clear()
        found = first | finished(stand_in, service, ids[1:])
    return found, [line for line in service.lines if " INFO " not in line][:9]


def finished(stand_in: StandIn, service: Service, ids: Sequence[Any]) -> dict[Any, Any]:
    """Submit ids and wait for their end; returns data or Refused of each."""
    ingestion = service.submit(list(ids))
    pause = threading.Event()
    while service.call("GET", f"/status/{ingestion}?limit=1")["status"] not in ("completed", "failed"):
        assert not stand_in.calls or stand_in.clock.now() - stand_in.calls[-1] < MOST_IDLE * stand_in.scale
        pause.wait(0.03)
    connection = service.connect()
    connection.request("GET", f"/results/{ingestion}?include=failed")
    with connection.getresponse() as response:
        lines = [json.loads(line) for line in response.read().splitlines()]
    connection.close()
    return {line["id"]: Refused(line["error"]["message"]) if "error" in line else line["data"] for line in lines}
