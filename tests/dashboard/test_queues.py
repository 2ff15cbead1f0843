"""The page of all queues of an app."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask

from app import IngestionAPI
from app.core import Priority
from app.errors import StoreUnavailable
from app.keys import Role, new_key

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def data(site: Site) -> Any:
    answer = site.app.test_client().get("/jobs/dashboard/queues/data")
    assert answer.status_code == 200
    return answer.json


def test_it_compares_all_queues_in_one_look(new_site: NewSite, page: Any) -> None:
    site = new_site(others=["geo", "mail"])
    site.submit(range(1, 10))
    site.drive(1, end=lambda *_: REFUSED)
    site.submit(range(1, 10))
    geo, mail = site.others.values()
    geo.submit(range(1, 7), Priority.LOW)
    geo.pause()
    for one in (site.extension, geo, mail):
        one.processor(lambda _: None)
    site.service.store.hold(90)
    for one in (site.extension, geo, mail):
        one.start()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/data" in request.url else None)
    page.goto(f"{site.url}/queues")
    rows = page.locator("#queues tr")
    expect(rows.nth(0)).to_have_text(re.compile(r"^\s*ingest\s*50in 1 min .*asked for quiet until .*1in \d min$"))
    expect(rows.nth(1)).to_have_text(re.compile(r"^\s*geo\s*20pausedThe queue is paused\.0\W$"))
    expect(rows.nth(2)).to_have_text(re.compile(r"^\s*mail\s*00idleNothing waits\.0now$"))
    expect(page.locator("#alerts")).to_contain_text("geo: The queue is paused")
    assert {url.rpartition("/dashboard/")[2] for url in asked} == {"queues/data"}
    rows.nth(1).get_by_role("link").click()
    expect(page.locator("#waiting")).to_have_text("2")
    page.get_by_role("navigation", name="Queues").get_by_role("link", name="mail").click()
    expect(page.locator("#countdown")).to_have_text("idle")


def test_a_queue_whose_store_is_gone_does_not_hide_the_others(new_site: NewSite) -> None:
    site = new_site(others=["geo"])
    site.others["geo"].submit([1], Priority.HIGH)

    def stats() -> Any:
        raise StoreUnavailable("The store cannot be reached.")

    site.service.store.stats = stats  # type: ignore[method-assign]
    found = data(site)
    assert found["queues"][0] == {"name": "ingest", "unreachable": True}
    assert found["queues"][1]["waiting"] == 1
    assert found["alerts"][0]["title"] == "ingest: Store unreachable"


def test_a_key_shows_the_queues_that_it_opens() -> None:
    both, mine = new_key("both", Role.READ), new_key("mine", Role.READ)
    app = Flask("host")
    app.config.update(TESTING=True, A_API_KEYS=f"{both[1]},{mine[1]}", B_API_KEYS=str(both[1]))
    for name in ("a", "b"):
        IngestionAPI(app, name=name, url_prefix=f"/{name}")
    client = app.test_client()
    assert client.get("/a/dashboard/queues/data").status_code == 401
    for (text, _), opened in ((both, ["a", "b"]), (mine, ["a"])):
        answer = client.get("/a/dashboard/queues/data", headers={"Authorization": f"Bearer {text}"})
        assert answer.json
        assert [one["name"] for one in answer.json["queues"] if "waiting" in one] == opened
        assert [one["name"] for one in answer.json["queues"]] == ["a", "b"]
    assert client.get("/b/dashboard/queues/data", headers={"Authorization": f"Bearer {mine[0]}"}).status_code == 401


def test_the_key_of_any_queue_opens_the_page_of_all(new_site: NewSite, page: Any) -> None:
    (_, first), (text, second) = new_key("first", Role.READ), new_key("second", Role.READ)
    site = new_site(others=["geo"], api_keys=str(first), config={"GEO_API_KEYS": str(second)})
    here = site.url.removesuffix("/jobs/dashboard")
    page.goto(f"{site.url}/queues")
    page.get_by_label("API key").fill("none")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not one of the keys")
    page.get_by_label("API key").fill(text)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#queues tr").nth(0)).to_contain_text("It needs another key: sign in there.")
    expect(page.locator("#queues tr").nth(1)).to_contain_text("No worker runs.")
    assert page.url == f"{here}/geo/dashboard/queues"
    # Who is signed in at one of them need not sign in again; a page of one queue asks for its own key.
    page.goto(f"{site.url}/queues")
    expect(page).to_have_url(f"{here}/geo/dashboard/queues")
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Sign in to ingest")).to_be_visible()


def test_the_page_of_all_has_the_menu_and_the_search_of_none(new_site: NewSite) -> None:
    client = new_site(others=["geo"]).app.test_client()
    one, whole = client.get("/jobs/dashboard").text, client.get("/jobs/dashboard/queues").text
    for part in ('aria-label="Dashboard"', 'role="search"', "· ingest</title>"):
        assert part in one
        assert part not in whole
    assert 'id="freshness"' in whole


def test_an_app_with_one_queue_has_no_switch(new_site: NewSite) -> None:
    page = new_site().app.test_client().get("/jobs/dashboard")
    assert "All queues" not in page.text
