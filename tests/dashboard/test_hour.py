"""The last hour on the queue's page, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.core import Priority, Rates

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def eventful(new_site: NewSite) -> Site:
    """Eight minutes with failures, a hold, a pause and another rate."""
    site = new_site(interval=5, batch_size=1)
    site.submit(range(1, 11), Priority.HIGH)
    site.submit(range(11, 31), Priority.LOW)
    site.drive(14, end=lambda batch, _: REFUSED if batch.position < 2 else None)
    site.service.store.hold(90)
    site.clock.advance(100)
    site.service.pause()
    site.clock.advance(60)
    site.service.resume()
    site.service.store.change_rates(Rates(interval=10))
    site.drive(16)
    return site


def test_holds_pauses_and_failures_are_marked(new_site: NewSite, page: Any) -> None:
    page.goto(eventful(new_site).url)
    chart = page.locator("#chart svg")
    expect(chart.locator(".failures")).to_have_count(1)
    expect(chart.locator(".held")).to_have_count(2)
    expect(chart.locator(".paused")).to_have_count(2)
    expect(chart.locator("title", has_text="failed").first).to_have_text("08:00: 12, 4 failed")
    note = (
        "22 in the last hour, at most 12 a minute, 4 failed, on hold for 1 min 30 s, paused for 1 min 00 s, "
        "the rate in force is 6 a minute, 12 a minute is configured"
    )
    expect(page.locator("#chart-note")).to_have_text(f"{note}.")
    assert chart.get_attribute("aria-label") == f"Dispatches per minute: {note}"


def test_the_line_is_the_rate_that_was_in_force(new_site: NewSite, page: Any) -> None:
    page.goto(eventful(new_site).url)
    path = page.locator("#chart svg .limit")
    # It steps down once, from 12 a minute to 6.
    assert path.get_attribute("d").count("M") == 1
    levels = [float(part.partition("H")[0]) for part in path.get_attribute("d").split("V")[1:]]
    assert sorted(set(levels)) == [0, 60]


def test_waits_and_estimates_are_told_over_the_hour(new_site: NewSite, page: Any) -> None:
    page.goto(eventful(new_site).url)
    rows = page.locator("#waits tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("HIGH")
    expect(rows.nth(0).get_by_role("img")).to_have_count(1)
    expect(rows.nth(1)).to_contain_text("MEDIUM")
    expect(rows.nth(1).get_by_role("img")).to_have_count(0)
    expect(page.locator("#misses").get_by_role("img")).to_have_count(1)


def test_a_rate_of_less_than_one_a_minute_is_said_in_full(new_site: NewSite, page: Any) -> None:
    page.goto(new_site(interval=600).url)
    expect(page.locator("#chart-note")).to_have_text(
        "None in the last hour, the rate in force is one every 10 min 00 s."
    )
    expect(page.locator("#misses")).to_be_hidden()


def test_without_a_limit_there_is_no_line(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0, batch_size=1)
    site.submit(range(1, 20_001))
    for _ in range(2):
        site.service.store.claim(10_000)
    page.goto(site.url)
    expect(page.locator("#chart-note")).to_have_text("20,000 in the last hour, at most 20,000 a minute.")
    expect(page.locator("#chart .side span").first).to_have_text("20k")
    assert page.locator("#chart svg .limit").get_attribute("d") == ""
