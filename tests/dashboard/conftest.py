"""A real Chromium, driven by Playwright; skipped with a reason where there is none, but never in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from . import needs
from .site import Site

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LOCALE = {"locale": "en-GB", "timezone_id": "UTC"}

PATIENCE = 20_000
"""Milliseconds to wait for something to be on the page; long, for the machine may be busy."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright_api = needs.module("playwright.sync_api", "Playwright")
    path = needs.chromium()
    playwright_api.expect.set_options(timeout=PATIENCE)
    with playwright_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def new_site() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**settings: Any) -> Site:
        sites.append(Site(**settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@contextmanager
def tab(context: Any) -> Iterator[Any]:
    """A tab; a fault in the page's own scripts, or anything that its policy refused, is an error."""
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
    yield tab
    tab.close()
    assert faults == []


@pytest.fixture(scope="session")
def shared_context(browser: Any) -> Iterator[Any]:
    """For all tabs that need no other; one stays open, for the process behind it serves the others too."""
    context = browser.new_context(**LOCALE)
    empty = context.new_page()
    empty.route("**/*", lambda route: route.fulfill(body=""))
    empty.goto("http://127.0.0.1/")
    yield context
    context.close()


@pytest.fixture
def page(shared_context: Any) -> Iterator[Any]:
    """A tab of somebody who has not been here before."""
    shared_context.clear_cookies()
    with tab(shared_context) as page:
        yield page


@pytest.fixture
def own_page(browser: Any) -> Iterator[Any]:
    """A tab whose clock may be set, which all tabs of a context share."""
    context = browser.new_context(**LOCALE)
    with tab(context) as page:
        yield page
    context.close()


def _is_fault(message: Any) -> bool:
    # The browser itself logs every answer of 400 or more, which tests ask for on purpose.
    return message.type == "error" and not message.text.startswith("Failed to load resource")
