"""A real Chromium, driven by Playwright; skipped with a reason where there is none, but never in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab; a fault in the page's own scripts, or anything that its policy refused, fails the test."""
    context = browser.new_context(locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
    yield tab
    context.close()
    assert faults == []


def _is_fault(message: Any) -> bool:
    # The browser itself logs every answer of 400 or more, which tests ask for on purpose.
    return message.type == "error" and not message.text.startswith("Failed to load resource")
