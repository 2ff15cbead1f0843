"""How many connections the service takes, by the files that it may have open."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.serving.files import room_for_connections
from tests.support.host import eventually
from tests.support.standalone import Service

resource = pytest.importorskip("resource", reason="this platform has no limit of open files")


def limited(soft: int, hard: int) -> tuple[str, ...]:
    """The service, started where a process may have so many files open."""
    limit = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
    return "-c", f"{limit}runpy.run_path('wsgi.py', run_name='__main__')"


def test_where_few_files_may_be_open_it_takes_fewer_connections() -> None:
    with Service(limited(64, 64)) as service:
        with contextlib.ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(service.raw(b"GET /readyz HTTP/1.1\r\n"))
            service.wait_for("no longer accepting new connections")
        assert service.call("GET", "/readyz")["worker"] == "running"
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert "may have 64 files open, so that it takes 32 connections at a time" in service.output
    assert "Too many open files" not in service.output


ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "room"),
    [
        (ENDLESS, ENDLESS, None, 500),
        (1024, 4096, None, 500),
        (700, 4096, None, 500),
        (699, 4096, 700, 500),
        (64, ENDLESS, 700, 500),
        (64, 600, 600, 400),
        (64, 402, 402, 202),
        (64, 398, 398, 199),
        (64, 64, 64, 32),
    ],
)
def test_half_of_the_files_at_least_and_all_but_200_are_for_connections(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    raised: int | None,
    room: int,
) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    assert room_for_connections() == room
    assert limits == ([] if raised is None else [(raised, hard)])
    few = f"may have {raised} files open, so that it takes {room} connections at a time; ulimit -n 700 would allow 500"
    assert (few in caplog.text) == (room < 500)


def test_where_the_system_refuses_more_files_it_makes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, ENDLESS))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert room_for_connections() == 128


def test_where_there_is_no_such_limit_it_takes_as_many_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert room_for_connections() == 500


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process's limits can be read on Linux alone")
def test_it_raises_its_own_limit_as_far_as_it_may() -> None:
    with Service(limited(64, 1024)) as service:
        assert resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE) == (700, 1024)
        service.signal(signal.SIGTERM)
        service.end()
    assert "files open" not in service.output


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process's limits can be set on Linux alone")
def test_without_a_file_to_spare_it_neither_spins_nor_fills_the_log_and_its_worker_lives() -> None:
    with Service(INGEST_LEASE="1") as service:
        service.call("GET", "/readyz")
        process = service.process.pid
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (3, before[1]))
        with service.raw(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n") as waiting:
            service.wait_for("no connection can be accepted")
            began, used = time.monotonic(), _processor_time(process)
            eventually(lambda: time.monotonic() > began + 1)
            assert _processor_time(process) - used < 0.5
            resource.prlimit(process, resource.RLIMIT_NOFILE, before)
            assert waiting.recv(15) == b"HTTP/1.1 200 OK"
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert service.output.count("accept") == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process's limits can be set on Linux alone")
def test_the_first_scrape_needs_no_file_to_spare() -> None:
    with Service() as service, contextlib.closing(service.connect()) as connection:
        connection.request("GET", "/readyz")
        connection.getresponse().read()
        process = service.process.pid
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{process}/fd")), before[1]))
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200


def _processor_time(process: int) -> float:
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
