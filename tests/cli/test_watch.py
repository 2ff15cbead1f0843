"""`queue --watch`: one question at a time, drawn over the one before, until Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from fcntl import ioctl

import click
import pytest

from app.cli.watch import fitting
from app.core.clock import SystemClock
from tests.support.cli import Service
from tests.support.command import ROOT, Command
from tests.support.host import Host
from tests.support.scripted import answer, problem, scripted

WATCH = ("-m", "app", "queue", "--watch", "--every", "0.1")


@pytest.fixture
def full(serve: Callable[..., Host]) -> Iterator[Service]:
    """A service in which there is much to show."""
    service = Service(serve(clock=SystemClock(), interval=3600, batch_size=10))
    for priority in ("HIGH", "MEDIUM", "LOW"):
        service.host.submit(range(2**62, 2**62 + 100), priority)
    yield service
    service.close()


def test_it_shows_again_and_again_and_ends_well_with_ctrl_c(full: Service) -> None:
    with Command(*WATCH, "--url", full.url) as command:
        for _ in range(3):
            command.wait_for("LOW         10 batches")
        full.host.ingestion.pause()
        command.wait_for("paused      yes")
        command.signal(signal.SIGINT)
        assert command.end() == 0
    assert "Traceback" not in command.output
    assert "\x1b" not in command.output


def test_as_json_each_answer_is_a_line(full: Service) -> None:
    with Command(*WATCH, "--url", full.url, "--json") as command:
        for _ in range(2):
            assert command.wait_for('"waiting"').startswith('{"now": ')
        command.signal(signal.SIGINT)
        assert command.end() == 0


def test_a_look_is_one_request_and_a_busy_service_is_given_its_time(full: Service) -> None:
    document = full.host.client.get("/queue").get_json()
    busy = problem(503, "Full.", Retry_After="1")
    acts = answer(200, document), busy, answer(200, document), problem(404, "No more.")
    with scripted(*acts) as server, Command(*WATCH, "--url", server.url) as command:
        assert command.end() == 4
    assert [request.path for request in server.requests] == ["/queue"] * 4
    assert "Full. Trying again in 1.0 s." in command.lines
    assert command.output.count("tokens ") == 2


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10)])
def test_on_a_terminal_it_fits(full: Service, columns: int, rows: int) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    with os.fdopen(ours, "rb", 0) as screen:
        watch = subprocess.Popen(
            [sys.executable, *WATCH, "--url", full.url], stdout=theirs, env={**inherited, "TERM": "xterm"}, cwd=ROOT
        )
        os.close(theirs)
        shown = b""
        while shown.count(b"\x1b[H") < 3:
            shown += screen.read(65_536)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 0
    frame = click.unstyle(shown.split(b"\x1b[H")[2].decode()).splitlines()
    assert len(frame) <= rows
    assert max(map(len, frame)) <= columns
    assert frame[0].startswith("worker ")


def test_what_is_cut_says_so() -> None:
    text = "\n".join([click.style("short", fg="red"), click.style("x" * 50, fg="red"), "third"])
    assert fitting(text, 10, 3) == ["\x1b[31mshort\x1b[0m", "xxxxxxxxx…"]
