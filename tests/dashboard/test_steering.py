"""What an operator changes on the page, and the log of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from app.core import Pauses, Priority, WorkerReport
from app.keys import Role, new_key

from . import needs
from .site import Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def test_a_hold_can_be_ended(new_site: NewSite, page: Any) -> None:
    site = new_site()
    site.submit([1])
    site.service.store.hold(90)
    page.goto(site.url)
    page.get_by_role("button", name="End the hold").click()
    page.get_by_role("dialog", name="End the hold?").get_by_role("button", name="End it").click()
    expect(page.locator("#alerts")).not_to_contain_text("On hold")
    assert site.service.store.stats().hold_until is None


def test_the_rate_can_be_changed_and_set_back(new_site: NewSite, page: Any) -> None:
    site = new_site()
    page.goto(site.url)
    expect(page.locator("#tokens")).to_have_text("Tokens: 1 of 1, one every 5 s")
    expect(page.get_by_role("button", name="Use the configured rate")).to_be_hidden()
    page.get_by_text("Another rate").click()
    page.get_by_label("Seconds from start to start").fill("20")
    page.get_by_role("button", name="Change the rate").click()
    page.get_by_role("dialog", name="Change the rate?").get_by_role("button", name="Change it").click()
    expect(page.locator("#tokens")).to_have_text("Tokens: 1 of 1, one every 20 s")
    page.get_by_role("button", name="Use the configured rate").click()
    page.get_by_role("dialog").get_by_role("button", name="Use it").click()
    expect(page.locator("#tokens")).to_have_text("Tokens: 1 of 1, one every 5 s")


@pytest.mark.parametrize(
    ("label", "wrong", "right"),
    [
        ("Seconds from start to start", "0.1", "0.25"),
        ("Seconds from start to start", "501", "500"),
        ("Starts saved up at most", "7", "6"),
        ("In place of 10/s", "21/s", "20/s"),
        ("In place of 10/s", "0/s", "1/s"),
        ("Slots", "7", "6"),
    ],
)
def test_what_is_out_of_bounds_is_not_asked_for(
    new_site: NewSite, page: Any, label: str, wrong: str, right: str
) -> None:
    site = new_site(limits="10/s", interval=0.5, burst=3, rate_most=2, concurrency_most=6)
    site.work()
    page.goto(site.url)
    page.get_by_text("Another number of slots" if label == "Slots" else "Another rate").click()
    button = page.get_by_role("button", name="Change the slots" if label == "Slots" else "Change the rate")
    field = page.get_by_label(label, exact=True)
    field.fill(wrong)
    button.click()
    assert field.evaluate("field => field === document.activeElement && field.validationMessage")
    expect(page.get_by_role("dialog")).to_have_count(0)
    field.fill(right)
    button.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Change")).click()
    expect(page.locator("#notices .done")).to_be_visible()


def test_what_the_form_of_the_rate_shows_is_what_it_keeps(new_site: NewSite, page: Any) -> None:
    site = new_site(limits="10/s,100/min", interval=0.5, burst=3)
    change = site.app.test_client().post
    change("/jobs/queue/rate", json={"limits": {"10/s": "5/s"}, "burst": 2})
    page.goto(site.url)
    page.get_by_text("Another rate").click()
    expect(page.get_by_label("In place of 10/s")).to_have_value("5/s")
    page.get_by_label("Seconds from start to start").fill("1")
    page.get_by_role("button", name="Change the rate").click()
    question = page.get_by_role("dialog", name="Change the rate?")
    expect(question).to_contain_text("One start every 1 s, at most 2 saved up, 5/s in place of 10/s, 100/min; in every")
    question.get_by_role("button", name="Change it").click()
    expect(page.locator("#notices")).to_contain_text("The rate is changed.")
    rates = site.service.store.stats().rates
    assert (rates.interval, rates.burst, rates.limits) == (1.0, 2, {"10/s": "5/s"})
    # A field that nobody writes into follows what somebody else changes.
    change("/jobs/queue/rate", json={"limits": {"100/min": "50/min"}})
    expect(page.get_by_label("In place of 100/min")).to_have_value("50/min")
    expect(page.get_by_label("In place of 10/s")).to_have_value("10/s")


def test_a_rate_of_limits_alone_can_be_changed(new_site: NewSite, page: Any) -> None:
    site = new_site(limits="10/s")
    page.goto(site.url)
    page.get_by_text("Another rate").click()
    page.get_by_label("In place of 10/s").fill("5/s")
    page.get_by_role("button", name="Change the rate").click()
    question = page.get_by_role("dialog", name="Change the rate?")
    expect(question).to_contain_text("No seconds between starts, 5/s in place of 10/s;")
    question.get_by_role("button", name="Change it").click()
    expect(page.locator("#notices")).to_contain_text("The rate is changed.")
    assert site.service.store.stats().rates.limits == {"10/s": "5/s"}


def test_an_ingestion_can_be_moved(new_site: NewSite, page: Any) -> None:
    site = new_site()
    ingestion = site.submit([1])
    page.goto(f"{site.url}/ingestions/{ingestion.id}")
    page.get_by_label("Priority to move it to").select_option("LOW")
    page.get_by_role("button", name="Move to this priority").click()
    page.get_by_role("dialog", name="Move this ingestion to LOW?").get_by_role("button", name="Move it").click()
    expect(page.locator("#pills")).to_contain_text("LOW")
    assert site.service.store.get(ingestion.id).priority.name == "LOW"
    site.service.cancel(ingestion.id)
    expect(page.get_by_role("button", name="Move to this priority")).to_be_hidden()


def test_a_priority_is_paused_and_resumed_by_itself(new_site: NewSite, page: Any) -> None:
    site = new_site()
    site.work()
    site.submit(range(1, 8))
    page.goto(site.url)
    page.get_by_text("Pause a part of it").click()
    page.get_by_role("button", name="Pause MEDIUM").click()
    page.get_by_role("dialog", name="Pause MEDIUM?").get_by_role("button", name="Pause").click()
    expect(page.locator("#alerts")).to_contain_text("MEDIUM paused")
    expect(page.locator("#held")).to_have_text("All that waits is paused.")
    expect(page.locator("#priorities tr").nth(1)).to_contain_text("2 paused")
    page.get_by_role("button", name="Resume MEDIUM").click()
    page.get_by_role("dialog", name="Resume MEDIUM?").get_by_role("button", name="Resume").click()
    expect(page.locator("#alerts")).not_to_contain_text("MEDIUM paused")
    assert not site.service.store.stats().pauses


def test_the_slots_can_be_changed_and_set_back(new_site: NewSite, page: Any) -> None:
    site = new_site()
    site.work()
    page.goto(site.url)
    page.get_by_text("Another number of slots").click()
    page.get_by_label("Slots", exact=True).fill("2")
    page.get_by_role("button", name="Change the slots").click()
    page.get_by_role("dialog", name="Change the slots?").get_by_role("button", name="Change them").click()
    expect(page.locator("#workers tr")).to_contain_text("0 of 2 busy")
    page.get_by_label("of", exact=True).select_option(index=1)
    page.get_by_label("Slots", exact=True).fill("1")
    page.get_by_role("button", name="Change the slots").click()
    page.get_by_role("dialog").get_by_role("button", name="Change them").click()
    expect(page.locator("#workers tr")).to_contain_text("0 of 1 busy")
    page.get_by_role("button", name="Use the configured number of slots").click()
    page.get_by_role("dialog").get_by_role("button", name="Use it").click()
    expect(page.locator("#workers tr")).to_contain_text("0 of 4 busy")


def test_a_caller_is_paused_and_resumed_by_name(new_site: NewSite, page: Any) -> None:
    text, key = new_key("boss", Role.OPERATE)
    _, other = new_key("importer", Role.SUBMIT)
    site = new_site(api_keys=f"{key},{other}")
    page.set_extra_http_headers({"Authorization": f"Bearer {text}"})
    page.goto(site.url)
    page.get_by_text("Pause a part of it").click()
    page.get_by_label("Caller", exact=True).fill("importer")
    page.get_by_role("button", name="Pause the caller").click()
    page.get_by_role("dialog", name="Pause importer?").get_by_role("button", name="Pause").click()
    expect(page.locator("#alerts")).to_contain_text("A caller is paused")
    page.get_by_role("button", name="Resume the caller importer").click()
    page.get_by_role("dialog", name="Resume importer?").get_by_role("button", name="Resume").click()
    expect(page.locator("#paused-owners button")).to_have_count(0)
    assert not site.service.store.stats().pauses


def test_a_caller_of_a_host_without_keys_is_seen_and_resumed(new_site: NewSite, page: Any) -> None:
    site = new_site()
    site.service.pause(what=Pauses(owners=frozenset({"alice"})))
    page.goto(site.url)
    expect(page.locator("#alerts")).to_contain_text("A caller is paused")
    page.get_by_role("button", name="Resume the caller alice").click()
    page.get_by_role("dialog", name="Resume alice?").get_by_role("button", name="Resume").click()
    expect(page.locator("#paused-owners button")).to_have_count(0)
    page.get_by_text("Pause a part of it").click()
    page.get_by_label("Caller", exact=True).fill("bob")
    page.get_by_role("button", name="Pause the caller").click()
    page.get_by_role("dialog", name="Pause bob?").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume the caller bob")).to_be_visible()
    assert site.service.store.stats().pauses.owners == {"bob"}


def test_each_caller_that_takes_turns_has_its_row(new_site: NewSite, page: Any) -> None:
    text, key = new_key("oncall", Role.OPERATE)
    site = new_site(api_keys=[key], fair=True)
    for owner in ("importer", "nightly"):
        site.extension.submit(range(1, 7), Priority.LOW, owner=owner)
    site.service.pause(what=Pauses(owners=frozenset({"nightly"})))
    site.service.store.move(site.extension.submit([7], Priority.LOW, owner="importer").id, Priority.HIGH)
    page.set_extra_http_headers({"Authorization": f"Bearer {text}"})
    page.goto(site.url)
    expect(page.get_by_role("region", name="Callers that take turns").locator("tbody tr")).to_have_text(
        ["importerHIGH10 s", "importerLOW20 s", "nightlyLOW2 (paused)\N{EN DASH}"]
    )


def test_the_log_says_who_did_what(new_site: NewSite, page: Any) -> None:
    site = new_site()
    ingestion = site.submit([1])
    site.service.pause("ann")
    site.service.cancel(ingestion.id, "<b>bob</b>")
    page.goto(f"{site.url}/audit")
    expect(page.locator("#entries tr")).to_have_text(
        [
            re.compile(rf"<b>bob</b>cancelled{ingestion.id[:8]}status: yet to startstatus: cancelled$"),
            re.compile("annpausedthe queuepaused: falsepaused: true$"),
        ]
    )
    page.locator("#entries a").click()
    expect(page).to_have_url(re.compile(ingestion.id))


def test_the_log_names_what_was_changed(new_site: NewSite, page: Any) -> None:
    site = new_site(concurrency=4, limits="10/s", interval=0)
    store = site.service.store
    store.report(WorkerReport("4f1c", "a-host", 7, "1.2.3", 4, 0, 0))
    store.change_concurrency(None, 3)
    store.change_concurrency("4f1c", 2)
    store.change_concurrency("gone-host", 1)
    store.pause(what=Pauses(frozenset({Priority.LOW})))
    site.app.test_client().post("/jobs/queue/rate", json={"limits": {"10/s": "5/s"}})
    page.goto(f"{site.url}/audit")
    expect(page.locator("#entries tr")).to_have_text(
        [
            re.compile("limits: 10/slimits: 5/s in place of 10/s$"),
            re.compile("paused priorities: nonepaused priorities: LOW$"),
            re.compile("concurrency: each 3, a-host, process 7: 2, gone-host 1$"),
            re.compile("concurrency: each 3concurrency: each 3, a-host, process 7: 2$"),
            re.compile("concurrency: as configuredconcurrency: each 3$"),
        ]
    )


def test_an_empty_log_says_so(new_site: NewSite, page: Any) -> None:
    page.goto(f"{new_site().url}/audit")
    expect(page.locator("#entries-none")).to_have_text("Nobody has changed anything yet.")
