"""How often the page asks, and what it shows when there is no answer; on the browser's own time, passed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from . import needs
from .site import Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]

ASKED = re.compile(r"/dashboard/data")


@pytest.fixture
def page(own_page: Any) -> Any:
    return own_page


def hide(page: Any, hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def open_on_own_time(page: Any, site: Site) -> None:
    """The page's clock stands still from the first, so that its next look is due and never under way."""
    page.clock.install(time=1_800_000_000_000)
    page.clock.pause_at(1_800_000_001_000)
    page.goto(site.url)
    expect(page.locator("#freshness-text")).to_have_text("Live")


def run_until(page: Any, condition: Callable[[], bool]) -> None:
    """Pass the page's time, in steps that let its requests be answered in between."""
    for _ in range(300):
        if condition():
            return
        page.clock.run_for(100)
    pytest.fail("it did not happen within 30 s of the page's time")


def test_one_request_at_a_time(new_site: NewSite, page: Any) -> None:
    site = new_site()
    under_way: set[Any] = set()
    most = 0
    asked = 0

    def begun(request: Any) -> None:
        nonlocal most, asked
        if ASKED.search(request.url):
            under_way.add(request)
            asked += 1
            most = max(most, len(under_way))

    page.on("request", begun)
    page.on("requestfinished", lambda request: under_way.discard(request))
    page.on("requestfailed", lambda request: under_way.discard(request))
    open_on_own_time(page, site)
    run_until(page, lambda: asked >= 6)
    assert most == 1


def test_a_hidden_page_rests(new_site: NewSite, page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if ASKED.search(request.url) else None)
    open_on_own_time(page, new_site())
    hide(page, True)
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    with page.expect_response(ASKED):
        hide(page, False)
    assert len(asked) == before + 1
    run_until(page, lambda: len(asked) == before + 2)


def test_it_backs_off_shows_that_it_is_stale_and_recovers(new_site: NewSite, page: Any) -> None:
    open_on_own_time(page, new_site())
    page.route(ASKED, lambda route: route.abort())
    waits = []
    for _ in range(6):
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(45_000)
        text = page.locator("#freshness-text")
        # Until it has seen the failure it says "asking", or that the next try is 0 s away.
        expect(text).to_have_text(re.compile(r"^Stale: .* old, next try in [1-9]\d* s$"))
        waits.append(int(str(re.search(r"in (\d+) s$", text.inner_text()).group(1))))  # type: ignore[union-attr]
    for wait, step in zip(waits, [4, 8, 16, 30, 30, 30], strict=True):
        assert 0.75 * step <= wait <= 1.25 * step + 1
    expect(page.locator("#alerts")).to_contain_text("No answer from the service")
    expect(page.locator("#countdown")).to_be_visible()
    expect(page.locator("#held")).to_be_hidden()
    page.unroute(ASKED)
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator("#freshness-text")).to_have_text("Live")
    expect(page.locator("#alerts")).not_to_contain_text("No answer")


def test_a_stale_page_does_not_go_on_to_now(new_site: NewSite, page: Any) -> None:
    site = new_site()
    site.submit(range(1, 10))
    site.work(running=1)
    open_on_own_time(page, site)
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^[45]\.\d s$"))
    page.route(ASKED, lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.clock.fast_forward(8_000)
    expect(page.locator("#freshness-text")).to_have_text(re.compile("^Stale"))
    page.clock.run_for(1_000)
    expect(page.locator("#countdown")).to_have_text("\N{EN DASH}")


def test_a_time_loses_no_day_and_no_hour(new_site: NewSite, page: Any) -> None:
    open_on_own_time(page, new_site())
    told = page.evaluate(
        """async (seconds) => {
            const { about } = await import(document.querySelector("script").src.replace(/[^/]*$/, "time.js"));
            return seconds.map(about);
        }""",
        [0, 59, 119, 3599, 7_199, 86_399, 172_799],
    )
    assert told == ["0 s", "59 s", "1 min", "59 min", "1 h 59 min", "23 h 59 min", "1 d 23 h"]


def test_an_answer_that_never_comes_is_given_up(new_site: NewSite, page: Any) -> None:
    open_on_own_time(page, new_site())
    page.route(ASKED, lambda _: None)
    failed: list[Any] = []
    page.on("requestfailed", lambda request: failed.append(request))
    run_until(page, lambda: bool(failed))
    expect(page.locator("#freshness-text")).to_have_text(re.compile("^Stale"))


def test_a_store_out_of_reach_is_named(new_site: NewSite, page: Any) -> None:
    site = new_site()
    open_on_own_time(page, site)
    problem = '{"title": "Service Unavailable", "status": 503, "detail": "The database is away."}'
    page.route(ASKED, lambda route: route.fulfill(status=503, content_type="application/problem+json", body=problem))
    run_until(page, lambda: page.locator("#alerts").inner_text().startswith("Store unreachable"))
    expect(page.locator("#alerts")).to_have_text("Store unreachableThe database is away.")
