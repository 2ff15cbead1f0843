"""The queue on a terminal, live: driven by keys, and looked at as a terminal of 80 columns shows it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from app.cli.top import Opened, Sure, Top, Which
from app.client import Client
from app.core.clock import SystemClock
from app.keys import Role
from tests.support.cli import Service, older, run
from tests.support.command import ROOT
from tests.support.host import BOUND, Host, eventually
from tests.support.web import Callers

EVERY = 0.3


@pytest.fixture
def paused(serve: Callable[..., Host]) -> Iterator[Service]:
    """A service with two ingestions, a failed one among them, that is paused and held."""

    def process(_: Any) -> None:
        raise ValueError("no luck")

    service = Service(serve(process, clock=SystemClock(), interval=0, max_attempts=1, autostart=True))
    service.submitted("1", "2")
    service.host.ingestion.pause()
    service.host.store.hold(300)
    service.host.submit(range(1, 31), "HIGH")
    yield service
    service.close()


def drive(url: str, steps: Callable[[Top, Pilot[None]], Awaitable[None]], key: str | None = None) -> None:
    async def live() -> None:
        app = Top(Client(url, key=key, retries=0, timeout=5), EVERY, in_full=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await steps(app, pilot)

    # In a thread of its own: this one may have the event loop of a browser's driver.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, live()).result()


async def until(pilot: Pilot[None], condition: Callable[[], Any]) -> None:
    """Wait for what an answer of the service brings about."""
    for _ in range(int(BOUND / 0.02)):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came about")


async def order(app: Top, pilot: Pilot[None], key: str, answer: str = "enter") -> None:
    """Press a key that asks first, and answer."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, Sure))
    await pilot.press(answer)
    await until(pilot, lambda: not isinstance(app.screen, Sure))


def text(app: Top, where: str) -> str:
    content = app.screen.query_one(where, Static).content
    return content.plain if isinstance(content, Text) else ""


def rows(app: Top) -> list[list[str]]:
    table: DataTable[Any] = app.screen.query_one(DataTable)
    return [[str(cell) for cell in table.get_row(key)] for key in table.rows]


def test_it_shows_the_queue_and_the_latest_ingestions(paused: Service) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: rows(app))
        assert "HIGH        10 batches, oldest " in text(app, "#figures")
        assert [row[1:4] for row in rows(app)] == [["yet_to_start", "HIGH", "0/10"], ["failed", "MEDIUM", "1/1"]]
        paused.host.submit([1], "LOW")
        await until(pilot, lambda: len(rows(app)) == 3)

    drive(paused.url, steps)


def test_keys_resume_pause_and_end_a_hold(paused: Service) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "hold ends" in text(app, "#figures"))
        await order(app, pilot, "e")
        await until(pilot, lambda: "hold ends" not in text(app, "#figures"))
        assert not paused.host.client.get("/queue").get_json()["hold_until"]
        await order(app, pilot, "p")
        await until(pilot, lambda: "\npaused      no" in text(app, "#figures"))
        await order(app, pilot, "p")
        await until(pilot, lambda: "\npaused      yes" in text(app, "#figures"))

    drive(paused.url, steps)


def test_what_concerns_everybody_is_asked_first(paused: Service) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "hold ends" in text(app, "#figures"))
        await order(app, pilot, "e", "escape")
        await order(app, pilot, "p", "escape")

    drive(paused.url, steps)
    queue = paused.host.client.get("/queue").get_json()
    assert queue["paused"]
    assert queue["hold_until"]


def test_one_priority_or_caller_is_paused_and_resumed_by_its_name(paused: Service) -> None:
    paused.host.ingestion.resume()

    def now() -> tuple[list[str], list[str]]:
        queue = paused.host.client.get("/queue").get_json()
        return [name for name, one in queue["priorities"].items() if one["paused"]], queue["paused_owners"]

    async def steps(app: Top, pilot: Pilot[None]) -> None:
        async def give(*keys: str) -> None:
            await pilot.press("o")
            await until(pilot, lambda: isinstance(app.screen, Which))
            await pilot.press(*keys, "enter")
            await until(pilot, lambda: not isinstance(app.screen, Which))

        def said(text: str) -> bool:
            return text in [one.message for one in app._notifications]

        await until(pilot, lambda: "\npaused      no" in text(app, "#figures"))
        await give(*"high")
        await until(pilot, lambda: said("HIGH is paused."))
        await give(*"ann")
        await until(pilot, lambda: said("The caller ann is paused."))
        await until(pilot, lambda: "paused      HIGH, ann" in text(app, "#figures"))
        assert now() == (["HIGH"], ["ann"])
        # What is paused, and every priority, is completed.
        await give("a", "right")
        await until(pilot, lambda: said("The caller ann is not paused."))
        await give(*"High ")
        await until(pilot, lambda: said("HIGH is not paused."))
        assert now() == ([], [])
        await give()
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, Which))
        await pilot.press("l", "escape")
        await until(pilot, lambda: not isinstance(app.screen, Which))
        assert now() == ([], [])

    drive(paused.url, steps)


def test_beside_an_older_service_too(serve: Callable[..., Host]) -> None:
    service = Service(older(serve(clock=SystemClock())))

    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "\npaused      no" in text(app, "#figures"))
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, Which))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Which))
        await order(app, pilot, "p")
        await until(pilot, lambda: "\npaused      yes" in text(app, "#figures"))

    drive(service.url, steps)
    service.close()


def test_enter_opens_the_ingestion_under_the_cursor_and_escape_goes_back(paused: Service) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: rows(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, Opened) and "ValueError: no luck" in text(app, "#status"))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Opened))
        paused.host.submit([1], "LOW")
        await until(pilot, lambda: len(rows(app)) == 3)
        # The cursor is still on the same one, which is a row lower now.
        assert app.screen.query_one(DataTable).cursor_row == 2

    drive(paused.url, steps)


def test_a_service_that_is_gone_is_said_to_be_and_the_figures_stay(paused: Service) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: rows(app))
        paused.close()
        await until(pilot, lambda: "Connection refused" in text(app, "#stale"))
        assert text(app, "#stale").startswith("This is ")
        assert "HIGH        10 batches" in text(app, "#figures")

    drive(paused.url, steps)


def test_a_refused_order_says_why(serve: Callable[..., Host]) -> None:
    callers = Callers(("reader", Role.READ))
    service = Service(serve(clock=SystemClock(), api_keys=callers.keys))

    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: text(app, "#figures"))
        await order(app, pilot, "p")
        await until(pilot, lambda: "this needs the role operate" in str([one.message for one in app._notifications]))

    drive(service.url, steps, callers.texts["reader"])
    service.close()


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "textual", missing)
    for name in [name for name in sys.modules if name.endswith("cli.top")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    result = run("top", url="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "pip install 'Flask-Ingestion[tui]'; queue --watch needs no more" in result.stderr


def test_without_a_terminal_it_says_what_does_without() -> None:
    result = run("top", url="http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "top needs a terminal; queue --watch does not." in result.stderr


def test_a_terminal_of_80_columns_shows_it_whole(paused: Service) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("there is no tmux: apt-get install tmux")

    def ask(*words: str) -> str:
        return subprocess.run([tmux, "-L", "top-test", *words], capture_output=True, text=True, cwd=ROOT).stdout

    command = f"{sys.executable} -m app top --url {paused.url}"
    ask("new-session", "-d", "-x", "80", "-y", "24", command)
    try:
        eventually(lambda: "End the hold" in ask("capture-pane", "-p"))
        shown = ask("capture-pane", "-p").splitlines()
        assert shown[0].startswith("worker      running")
        words = "⏎ Open p Pause/resume o Pause/resume one e End the hold q Quit"
        assert shown[-1].split() == words.split()
        assert [line[:11].strip() for line in shown[:5]] == ["worker", "paused", "waiting on", "hold ends", "running"]
        assert sum(line.startswith("next ") for line in shown) == 3
        ask("send-keys", "q")
        eventually(lambda: "top-test" not in ask("ls") and not ask("ls"))
    finally:
        ask("kill-server")
