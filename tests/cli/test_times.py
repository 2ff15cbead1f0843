"""Times as ages and in full, and colours only where somebody sees them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from app.cli.display import attempts_text
from app.cli.queue_text import queue_text
from app.cli.times import Times
from app.core import WorkerReport
from app.core.documents import timestamp
from tests.support.cli import Service, lines
from tests.support.command import ROOT
from tests.support.host import Host
from tests.support.queueing import claimed

NOW = 1_800_000_000.0
ESCAPE = "\x1b["


@pytest.mark.parametrize(
    ("seconds", "ago", "due"),
    [
        (-5, "just now", "now"),
        (0, "just now", "now"),
        (0.06, "just now", "in 0.1 s"),
        (4.2, "4 s ago", "in 4.2 s"),
        (59.4, "59 s ago", "in 59 s"),
        (200, "3 min ago", "in 3 min 20 s"),
        (7500, "2 h 05 min ago", "in 2 h 05 min"),
        (4 * 86_400 + 3600, "4 d 1 h ago", "in 4 d 1 h"),
    ],
)
def test_a_time_is_how_long_ago_or_how_soon(seconds: float, ago: str, due: str) -> None:
    past, future = str(timestamp(NOW - seconds)), str(timestamp(NOW + seconds))
    assert (Times(NOW).ago(past), Times(NOW).due(future)) == (ago, due)
    assert (Times(NOW, in_full=True).ago(past), Times(NOW, in_full=True).due(future)) == (past, future)


@pytest.mark.parametrize(
    ("seconds", "ago"), [(0, "just now"), (59, "59 s ago"), (86_399, "23 h ago"), (999 * 86_400 + 7200, "999 d ago")]
)
def test_a_listing_says_roughly_how_long_ago(seconds: float, ago: str) -> None:
    past = str(timestamp(NOW - seconds))
    assert Times(NOW).roughly_ago(past) == ago
    assert Times(NOW, in_full=True).roughly_ago(past) == past


@pytest.mark.parametrize(
    ("seconds", "told"), [(200, "in 3 min 20 s"), (0.2, "in 0.2 s"), (0, "just now"), (-200, "3 min ago")]
)
def test_an_estimate_may_have_passed(seconds: float, told: str) -> None:
    stamp = str(timestamp(NOW + seconds))
    assert Times(NOW).around(stamp) == told
    assert Times(NOW, in_full=True).around(stamp) == stamp
    attempts = {"ingestion_id": "i", "created_at": stamp, "finished_at": None, "waiting_on": "token", "kept": 1}
    text = attempts_text(attempts | {"estimated_at_submission": stamp, "attempts": []}, Times(NOW))
    assert f"\nestimated   to end {told}\n" in text


def test_the_times_of_the_queue_are_by_the_clock_of_the_service(serve: Callable[..., Host]) -> None:
    host = serve(interval=60)
    for _ in range(2):
        host.submit([1])
    host.clock.advance(120)
    host.store.report(WorkerReport("w", "a-host", 7, "1", 4, 1, 0))
    (claim,) = claimed(host.store)
    host.clock.advance(2)
    text = queue_text(host.client.get("/queue").get_json(), Times(0.0))
    ran = f"batch {claim.batch.id} started 2 s ago"
    assert f"at work     a-host, process 7, 1 of 4 slots busy, {ran}, seen 2 s ago" in text
    assert "1 batch, oldest 2 min ago, last goes in 58 s" in text
    assert "tokens      0, the next in 58 s" in text


@pytest.mark.parametrize("verb", ["status", "list", "queue", "quote"])
def test_in_full_every_time_is_as_the_service_sends_it(service: Service, verb: str) -> None:
    service.host.ingestion.stop(0)
    ingestion_id = service("submit", "1", "2").stdout.strip()
    words = {"status": (ingestion_id,), "quote": ("1",)}.get(verb, ())
    document, full, ages = (service(verb, *words, option).stdout for option in ("--json", "--utc", "--retries=1"))
    stamps = {one for one in json.dumps(json.loads(document)).split('"') if one.endswith("Z") and one[:2] == "20"}
    assert stamps
    assert "Z" not in ages
    assert " ago" in ages or "in " in ages or "now" in ages
    assert any(stamp[:10] in full for stamp in stamps)
    assert " ago" not in full


def test_as_json_it_is_what_the_service_sends(service: Service) -> None:
    ingestion_id = service.submitted("1")
    sent = service.host.client.get(f"/status/{ingestion_id}").get_json()
    for options in ((), ("--utc",)):
        result = service("status", ingestion_id, "--json", *options, color=True)
        assert lines(result) == [sent]
        assert ESCAPE not in result.stdout


def on_terminal(*words: str, environ: Mapping[str, str]) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    inherited = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    with os.fdopen(ours, "rb", 0) as screen:
        command = [sys.executable, "-m", "app", *words]
        subprocess.run(command, stdout=theirs, env={**inherited, "TERM": "xterm", **environ}, cwd=ROOT, check=True)
        os.close(theirs)
        return screen.read(100_000).decode()


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_colours_are_for_terminals_that_want_them(service: Service, environ: dict[str, str], coloured: bool) -> None:
    ingestion_id = service.submitted("13")
    shown = on_terminal("status", ingestion_id, "--url", service.url, environ=environ)
    assert (f"{ESCAPE}31mfailed" in shown) == coloured
    assert (ESCAPE in shown) == coloured


def test_there_are_none_in_a_pipe(service: Service) -> None:
    words = [sys.executable, "-m", "app", "status", service.submitted("13"), "--url", service.url]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "failed" in done.stdout
    assert ESCAPE not in done.stdout


def test_one_that_wants_no_colour_gets_none_even_where_they_are_forced(service: Service) -> None:
    result: Any = service("status", service.submitted("13"), color=True, environ={"NO_COLOR": "1"})
    assert ESCAPE not in result.stdout
