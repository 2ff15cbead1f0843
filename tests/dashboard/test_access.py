"""Who can use it: by keyboard, on a narrow screen, in the dark, with a screen reader, with which key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.core import BatchError, Pauses, Priority
from app.keys import Role
from tests.support.web import Callers

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect
Axe = needs.module("axe_playwright_python.sync_playwright", "axe-playwright-python").Axe

NewSite = Callable[..., Site]


def full(new_site: NewSite, **settings: Any) -> tuple[Site, list[str]]:
    """A site with something of everything, and the addresses of its pages."""
    site = new_site(others=["geo", "invoices", "geocoding"], fair=True, **settings)
    first = site.submit(range(1, 200), Priority.HIGH)
    site.drive(9, end=lambda batch, _: REFUSED if batch.position == 2 else None)
    site.service.cancel(site.submit([1], Priority.LOW).id)
    site.extension.submit(range(1, 2000), Priority.LOW, owner="importer")
    site.service.pause(what=Pauses(owners=frozenset({"importer"})))
    site.service.store.hold(90)
    site.service.pause()
    site.work()
    return site, [
        site.url,
        f"{site.url}/ingestions/{first.id}",
        f"{site.url}/queues",
        f"{site.url}?since=2027-01-15T08:00:00.000Z&priority=LOW",
        f"{site.url}/failures?since=all",
        f"{site.url}/search?id=1",
        f"{site.url}/submit",
        f"{site.url}/audit",
        f"{site.url}/ingestions/nothing",
        f"{site.url.removesuffix('dashboard')}docs",
    ]


def settle(page: Any, url: str) -> None:
    page.goto(url)
    if page.locator("#freshness-text").count():
        expect(page.locator("#freshness-text")).to_have_text("Live")
    if url.endswith("/submit"):
        page.get_by_label("Ids").fill("1 2 3")
        expect(page.locator("#send")).to_be_enabled()


def assert_axe_finds_nothing(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert Axe().run(page).response["violations"] == [], scheme


def test_axe_finds_nothing(new_site: NewSite, page: Any) -> None:
    _, addresses = full(new_site)
    for url in addresses:
        settle(page, url)
        assert_axe_finds_nothing(page)
        # Axe no longer looks for this, but scripts find by it what they fill in.
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids)), url
    page.goto(addresses[0])
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_axe_finds_nothing(page)


def test_axe_finds_nothing_on_a_narrow_screen(new_site: NewSite, page: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    _, addresses = full(new_site)
    page.goto(addresses[0])
    expect(page.locator("#rows tr")).to_have_count(3)
    assert Axe().run(page).response["violations"] == []


STICKING_OUT = """[...document.querySelectorAll(".card")].flatMap((card) =>
  [...card.querySelectorAll("*")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > card.getBoundingClientRect().right)
    .map((one) => one.outerHTML.slice(0, 200)))"""
"""What is wider than the card that it is in."""


@pytest.mark.parametrize("width", [375, 650, 790, 810, 970, 1130, 1280])
def test_nothing_sticks_out_of_its_card(new_site: NewSite, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    site, addresses = full(new_site)
    for seconds, priority in ((470, Priority.MEDIUM), (3000, Priority.HIGH)):
        site.submit([1, 2, 3, 4], priority)
        site.clock.advance(seconds)
        site.service.resume()
        site.drive(1, end=lambda *_: BatchError("ValueError", f"The upstream said {'something' * 40}"))
    for url in addresses:
        settle(page, url)
        assert page.evaluate(STICKING_OUT) == [], url
        assert page.evaluate("document.documentElement.scrollWidth") == width, url


@pytest.mark.parametrize("width", [375, 1280])
def test_long_ids_and_names_make_no_page_wider(new_site: NewSite, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    long, owner = "i" * 200, "o" * 255
    site = new_site(id_type="string", fair=True)
    site.service.pause(by=owner)
    site.service.resume()
    site.service.pause(what=Pauses(owners=frozenset({owner})))
    ingestion = site.extension.submit([long, long], Priority.LOW, owner=owner)
    paths = [
        f"search?id={long}",
        f"search?id={'j' * 200}",
        "",
        f"ingestions/{ingestion.id}",
        f"ingestions/{long}",
        "audit",
    ]
    for path in paths:
        settle(page, f"{site.url}/{path}")
        if path == "audit":
            expect(page.locator("#entries tr")).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
    page.goto(site.url)
    page.get_by_role("button", name="Resume the caller").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert (
        page.evaluate("(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.getElementById('ask'))")
        == 0
    )


def test_the_keyboard_reaches_everything_and_shows_where_it_is(new_site: NewSite, page: Any) -> None:
    _, addresses = full(new_site)
    settle(page, addresses[1])
    wanted = page.evaluate(
        """[...document.querySelectorAll("a, button, input, select, summary, textarea")]
            .filter((one) => one.checkVisibility() && !one.disabled).length"""
    )
    reached = 0
    while True:
        page.keyboard.press("Tab")
        state = page.evaluate(
            """(() => {
                const one = document.activeElement;
                if (one === document.body) return null;
                return { name: one.textContent, outline: getComputedStyle(one).outlineStyle };
            })()"""
        )
        if state is None or reached > wanted:
            break
        if reached == 0:
            assert state["name"] == "Skip to the content"
        assert state["outline"] == "solid", state
        reached += 1
    assert reached == wanted


def test_a_question_is_answered_by_keyboard_alone(new_site: NewSite, page: Any) -> None:
    site, addresses = full(new_site)
    settle(page, addresses[0])
    page.get_by_role("button", name="Resume the queue").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause the queue")).to_be_visible()
    assert not site.service.store.stats().paused


@pytest.fixture
def callers() -> Callers:
    return Callers(("reader", Role.READ), ("sender", Role.SUBMIT), ("operator", Role.OPERATE))


def sign_in(page: Any, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_opens_what_its_role_may(new_site: NewSite, page: Any, callers: Callers) -> None:
    site, addresses = full(new_site, api_keys=callers.keys)
    page.goto(site.url)
    assert Axe().run(page).response["violations"] == []
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("not one of the keys")
    sign_in(page, callers.texts["operator"])
    expect(page.get_by_role("button", name="Resume the queue")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, callers.texts["reader"])
    expect(page.locator("#waiting")).not_to_have_text("0")
    expect(page.locator("#rows-none")).to_have_text("None of yours yet, or all have been forgotten.")
    expect(page.locator("#upcoming-none")).to_have_text("None of yours is due.")
    expect(page.get_by_role("button", name="Resume the queue")).to_have_count(0)
    expect(page.get_by_role("link", name="Submit")).to_have_count(0)
    page.goto(f"{site.url}/failures")
    expect(page.locator("#groups-none")).to_have_text("No batch of yours failed in this time.")
    page.goto(addresses[1])
    expect(page.locator("h1")).to_have_text("No such ingestion")
    page.goto(f"{site.url}/submit")
    expect(page.locator("h1")).to_have_text("Not allowed")


def test_a_sender_submits_and_cancels_its_own(new_site: NewSite, page: Any, callers: Callers) -> None:
    site = new_site(api_keys=callers.keys)
    page.goto(f"{site.url}/submit")
    sign_in(page, callers.texts["sender"])
    page.get_by_label("Ids").fill("1 2 3")
    page.locator("#send").click()
    expect(page.locator("h1")).to_contain_text("Ingestion")
    expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the ingestion").click()
    expect(page.locator("#pills")).to_contain_text("cancelled")


def test_a_key_that_is_gone_asks_to_sign_in_again(new_site: NewSite, page: Any, callers: Callers) -> None:
    site = new_site(api_keys=callers.keys)
    page.goto(site.url)
    sign_in(page, callers.texts["operator"])
    expect(page.locator("#freshness-text")).to_have_text("Live")
    page.context.clear_cookies()
    expect(page.locator("#alerts")).to_contain_text("You are signed out")
