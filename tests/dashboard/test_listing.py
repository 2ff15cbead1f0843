"""The ingestions on the queue's page, in a browser: counts, times, and what is done to all that match."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.core import Priority
from app.keys import Role, new_key

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def some(new_site: NewSite) -> Site:
    """Four that failed in the first hour, and three that wait since the second."""
    site = new_site(interval=0, batch_size=1)
    for number in range(4):
        site.submit([number + 1], Priority.HIGH)
    site.drive(4, end=lambda *_: REFUSED)
    site.clock.advance(5400)
    for number in range(3):
        site.submit([number + 1], Priority.LOW)
    return site


def test_each_status_has_its_count_which_chooses_it(new_site: NewSite, page: Any) -> None:
    page.goto(some(new_site).url)
    counts = page.locator("#counts button")
    expect(counts).to_have_text(["yet to start 3", "triggered 0", "completed 0", "failed 4", "cancelled 0"])
    counts.nth(3).click()
    expect(page.locator("#rows tr")).to_have_count(4)
    expect(page.get_by_label("Status")).to_have_value("failed")
    expect(counts.nth(3)).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Priority").select_option("LOW")
    expect(counts.nth(0)).to_have_text("yet to start 3")
    expect(counts.nth(3)).to_have_text("failed 0")
    counts.nth(3).click()
    expect(page.locator("#rows tr")).to_have_count(3)


def test_counts_end_at_a_thousand(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0)
    for number in range(1001):
        site.submit([number + 1])
    page.goto(site.url)
    expect(page.locator("#counts button").first).to_have_text("yet to start 1,000+")


def test_a_time_range_is_part_of_the_address(new_site: NewSite, page: Any) -> None:
    page.goto(some(new_site).url)
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(7)
    page.get_by_label("Submitted").select_option("within 1 hour")
    expect(rows).to_have_count(3)
    assert page.url.endswith("?since=3600")
    page.get_by_label("Submitted").select_option("between…")
    page.get_by_label("From", exact=True).fill("2027-01-15T07:00")
    page.get_by_label("to", exact=True).fill("2027-01-15T08:30")
    expect(rows).to_have_text([re.compile("HIGHfailed")] * 4)
    page.reload()
    expect(page.get_by_label("Submitted")).to_have_value("between")
    expect(page.get_by_label("From", exact=True)).to_have_value("2027-01-15T07:00")
    expect(page.get_by_label("to", exact=True)).to_have_value("2027-01-15T08:30")
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(7)
    expect(page.get_by_label("From", exact=True)).to_be_hidden()


def test_all_that_match_are_redriven_once_the_count_is_confirmed(new_site: NewSite, page: Any) -> None:
    site = some(new_site)
    page.goto(site.url)
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_label("Priority").select_option("HIGH")
    page.get_by_role("button", name="Redrive all that match").click()
    dialog = page.get_by_role("dialog", name="Redrive 4 ingestions?")
    expect(dialog).to_contain_text("4 failed batches")
    dialog.get_by_role("button", name="Back").click()
    assert site.service.store.stats().failed == 4
    page.get_by_role("button", name="Redrive all that match").click()
    dialog.get_by_role("button", name="Redrive", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("The redrive is under way.")
    expect(page.locator("#counts button").nth(3)).to_have_text("failed 0")


def test_what_is_done_to_those_with_failed_batches_leaves_the_others_alone(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0, batch_size=1, concurrency=4)
    mixed = site.submit([1, 2, 3], Priority.HIGH)
    site.submit([4, 5])
    site.drive(1, end=lambda *_: REFUSED)
    page.goto(site.url)
    page.get_by_label("Batches", exact=True).select_option("some failed")
    expect(page.get_by_role("button", name="Redrive all that match")).to_be_visible()
    page.get_by_role("button", name="Cancel all that match").click()
    dialog = page.get_by_role("dialog", name="Cancel 1 ingestion?")
    expect(dialog).to_contain_text("2 batches will not be started.")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#counts button").nth(4)).to_have_text("cancelled 1")
    assert site.service.store.get(mixed.id).counts.cancelled == 2
    assert site.service.store.stats().depths[Priority.MEDIUM].waiting == 2


def test_a_cancel_of_a_callers_takes_what_its_filter_lists(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0)
    for owner in ("web", "import", "web"):
        site.service.submit([1], "LOW", owner=owner)
    page.goto(site.url)
    page.get_by_label("Of caller").fill("web")
    page.get_by_label("Of caller").press("Enter")
    expect(page.locator("#rows tr")).to_have_count(2)
    assert page.url.endswith("?owner=web")
    page.reload()
    expect(page.get_by_label("Of caller")).to_have_value("web")
    expect(page.locator("#counts button").first).to_have_text("yet to start 2")
    page.get_by_role("button", name="Cancel all that match").click()
    page.get_by_role("dialog", name="Cancel 2 ingestions?").get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#counts button").nth(4)).to_have_text("cancelled 2")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("Of caller")).to_have_value("")
    expect(page.locator("#counts button").nth(0)).to_have_text("yet to start 1")


def test_a_caller_who_sees_only_its_own_chooses_no_other(new_site: NewSite, page: Any) -> None:
    text, key = new_key("web", Role.SUBMIT)
    site = new_site(api_keys=str(key))
    page.set_extra_http_headers({"Authorization": f"Bearer {text}"})
    page.goto(site.url)
    expect(page.locator("#rows-none")).to_contain_text("None of yours yet")
    expect(page.get_by_label("Of caller")).to_have_count(0)


def test_a_cancel_takes_only_the_time_that_is_shown(new_site: NewSite, page: Any) -> None:
    site = some(new_site)
    site.clock.advance(7200)
    site.submit([9], Priority.LOW)
    page.goto(f"{site.url}?since=3600")
    page.get_by_role("button", name="Cancel all that match").click()
    dialog = page.get_by_role("dialog", name="Cancel 1 ingestion?")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#counts button").nth(4)).to_have_text("cancelled 1")
    page.get_by_label("Status").select_option("cancelled")
    expect(page.get_by_role("button", name="Cancel all that match")).to_be_hidden()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#counts button").nth(0)).to_have_text("yet to start 3")
