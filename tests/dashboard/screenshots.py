"""Takes the pictures in docs/screenshots: python -m tests.dashboard.screenshots [NAME ...]"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from app.core.models import Batch, BatchError, Priority
from app.core.reports import Stats
from app.errors import StoreUnavailable
from app.keys import Role, new_key

from .conftest import FLAGS
from .site import REFUSED, Site

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


@contextmanager
def site(**settings: Any) -> Iterator[Site]:
    made = Site(**settings)
    try:
        yield made
    finally:
        made.close()


def fails(batch: Batch, _step: int) -> BatchError | None:
    return REFUSED if batch.position % 23 == 7 else None


def busy(site: Site, ingestion_count: int = 60) -> str:
    """An hour of work, some of it failed, much of it waiting; the id of an ingestion that has failures."""
    partly = site.submit(range(1000, 1140), Priority.HIGH)
    for number in range(ingestion_count):
        site.submit(range(number * 100 + 1, number * 100 + 8 + number % 5 * 9), list(Priority)[number % 3])
        site.drive(5 + number % 9, end=fails)
        site.clock.advance((number * 7) % 4 * 8)
        if number == 50:
            site.service.store.hold(150)
            site.clock.advance(160)
        if number == 55:
            site.service.pause()
            site.clock.advance(100)
            site.service.resume()
    cancelled = site.submit(range(500, 560), Priority.LOW)
    site.submit(range(9_000_000, 9_000_900), Priority.LOW)
    site.submit(range(3, 103), Priority.MEDIUM)
    site.submit(range(70_001, 70_041), Priority.HIGH)
    site.drive(5)
    site.service.cancel(cancelled.id)
    return partly.id


def shoot(page: Page, name: str, *, whole: bool = True) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, full_page=whole and not name.startswith("narrow"))
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--strip", "--ext", ".png", "128", str(path)], check=True)


def empty(page: Page, name: str) -> None:
    with site() as one:
        one.work()
        page.goto(one.url)
        page.wait_for_selector("#chart svg")
        shoot(page, name)


def overview(
    prepare: Callable[[Site], None] = lambda _: None, *, whole: bool = True, **settings: Any
) -> Callable[[Page, str], None]:
    def scene(page: Page, name: str) -> None:
        with site(**settings) as one:
            busy(one)
            one.work(running=1)
            prepare(one)
            page.goto(one.url)
            page.wait_for_selector("#rows tr")
            shoot(page, name, whole=whole)

    return scene


def filtered(page: Page, name: str) -> None:
    with site() as one:
        busy(one)
        one.work(running=1)
        page.goto(f"{one.url}?since=3600&priority=LOW#ingestions")
        page.wait_for_selector("#rows tr")
        page.click("#redrive-all")
        page.wait_for_selector("dialog[open]")
        shoot(page, name, whole=False)


def queues(page: Page, name: str) -> None:
    with site(others=["geocoding", "invoices"]) as one:
        busy(one)
        one.work(running=1)
        geocoding, invoices = one.others.values()
        for other in (geocoding, invoices):
            other.service.store.hold(75)
            other.processor(lambda _: None)
            other.start()
        geocoding.submit(range(1, 40), Priority.MEDIUM)
        invoices.submit(range(1, 500), Priority.LOW)
        invoices.pause()
        page.goto(f"{one.url}/queues")
        page.wait_for_function("document.querySelector('#queues td').textContent > '0'")
        shoot(page, name, whole=False)


def die(one: Site) -> None:
    def claim(*_: Any, **__: Any) -> Any:
        raise MemoryError

    one.service.store.claim = claim  # type: ignore[method-assign]
    one.service.worker.wake()
    one.service.worker._thread.join()  # type: ignore[union-attr]


def unreachable(page: Page, name: str) -> None:
    with site() as one:
        busy(one)
        one.work(running=1)
        page.goto(one.url)
        page.wait_for_selector("#rows tr")

        def stats() -> Stats:
            raise StoreUnavailable("The store cannot be reached.")

        one.service.store.stats = stats  # type: ignore[method-assign]
        page.wait_for_selector(".freshness.stale")
        shoot(page, name, whole=False)


def ingestion(page: Page, name: str) -> None:
    with site() as one:
        partly = busy(one)
        one.work(running=1)
        page.goto(f"{one.url}/ingestions/{partly}")
        page.wait_for_selector("#batches tr")
        shoot(page, name)


def asking(page: Page, name: str) -> None:
    with site() as one:
        partly = busy(one)
        one.work(running=1)
        page.goto(f"{one.url}/ingestions/{partly}")
        page.click("#redrive")
        page.wait_for_selector("dialog[open]")
        shoot(page, name, whole=False)


def submit(page: Page, name: str) -> None:
    with site() as one:
        busy(one)
        one.work(running=1)
        page.goto(f"{one.url}/submit")
        page.fill("#ids", "101, 102, 103\n104 105 106\n9223372036854775807\n107\n107\n108")
        page.wait_for_selector("#send:not([disabled])")
        page.wait_for_function("document.querySelector('.ends').textContent.startsWith('ends')")
        shoot(page, name)


def login(page: Page, name: str) -> None:
    with site(api_keys=[new_key("operator", Role.OPERATE)[1]]) as one:
        page.goto(one.url)
        page.wait_for_selector("#key")
        shoot(page, name)


NARROW = {"viewport": {"width": 375, "height": 1800}}
DARK = {"color_scheme": "dark"}

SCENES: dict[str, tuple[Callable[[Page, str], None], dict[str, Any]]] = {
    "empty": (empty, {}),
    "busy": (overview(), {}),
    "glance": (overview(whole=False), {}),
    "paused": (overview(lambda one: one.service.pause()), {}),
    "hold": (overview(lambda one: one.service.store.hold(90)), {}),
    "dead": (overview(die), {}),
    "backlog": (overview(max_pending=430), {}),
    "unreachable": (unreachable, {}),
    "ingestion": (ingestion, {}),
    "asking": (asking, {}),
    "submit": (submit, {}),
    "filtered": (filtered, {}),
    "queues": (queues, {}),
    "login": (login, {}),
    "dark": (overview(), DARK),
    "dark-ingestion": (ingestion, DARK),
    "dark-queues": (queues, DARK),
    "dark-submit": (submit, DARK),
    "narrow": (overview(), NARROW),
    "narrow-ingestion": (ingestion, NARROW),
    "narrow-queues": (queues, NARROW),
    "narrow-submit": (submit, NARROW),
}


def main(names: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in names or SCENES:
            scene, options = SCENES[name]
            more = {"viewport": {"width": 1200, "height": 800}, **options}
            context = browser.new_context(locale="en-GB", timezone_id="UTC", **more)
            page = context.new_page()
            page.on("console", lambda message: print(message.type, message.text))
            page.on("pageerror", lambda error: print("ERROR", error))
            scene(page, name)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
