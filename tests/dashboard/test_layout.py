"""What is beside what, and what stays whole, as a browser lays the pages out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from app.core import BatchError, Status, SweepFilter

from . import needs
from .conftest import LOCALE, tab
from .site import Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]

LINES = """([selector, word]) => {
  const found = [];
  for (const element of document.querySelectorAll(selector)) {
    const nodes = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (nodes.nextNode()) {
      const at = nodes.currentNode.textContent.indexOf(word);
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(nodes.currentNode, at);
      range.setEnd(nodes.currentNode, at + word.length);
      found.push(new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size);
    }
  }
  return found;
}"""
"""In how many lines a word is, wherever it stands in the elements of a selector."""


@pytest.fixture
def new_yorker(browser: Any) -> Iterator[Any]:
    """A tab in New York, five hours behind."""
    context = browser.new_context(**LOCALE | {"timezone_id": "America/New_York"})
    with tab(context) as page:
        yield page
    context.close()


@pytest.fixture
def after_midnight(browser: Any) -> Iterator[Any]:
    """A tab where the day has just begun, and is told with AM and PM."""
    context = browser.new_context(locale="en-US", timezone_id="America/Los_Angeles")
    with tab(context) as page:
        yield page
    context.close()


def test_what_a_worker_runs_is_one_below_the_other_and_the_rest_is_counted(new_site: NewSite, page: Any) -> None:
    site = new_site(concurrency=8, interval=0, batch_size=1)
    site.submit(range(1, 9))
    site.work(running=8)

    assert len(site.service.store.runs(9)) == 8
    page.goto(site.url)
    cell = page.locator("#workers td[data-label=Runs]")
    expect(cell.locator(".run")).to_have_count(3)
    expect(cell).to_contain_text("and 5 more")
    tops = [one.bounding_box()["y"] for one in cell.locator(".run").all()]
    assert tops == sorted(set(tops))


@pytest.mark.parametrize(("interval", "said"), [(0.02, "0.02 s"), (1.25, "1.25 s"), (5, "5 s"), (90, "1 min 30 s")])
def test_a_short_interval_is_told_exactly(new_site: NewSite, page: Any, interval: float, said: str) -> None:
    page.goto(new_site(interval=interval).url)
    expect(page.locator("#tokens")).to_have_text(f"Tokens: 1 of 1, one every {said}")


@pytest.mark.parametrize("width", [700, 800, 1280])
def test_ids_and_names_stay_whole_beside_long_texts(new_site: NewSite, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    site = new_site(interval=0)
    ingestion = site.submit([10000, 10001, 10002])
    error = BatchError("UpstreamError", "the upstream answered 500 to GET /items?ids=10000: " + "no such item, " * 20)
    site.drive(1, end=lambda *_: error)
    page.goto(f"{site.url}/ingestions/{ingestion.id}")
    expect(page.locator("#batches tr")).to_have_count(1)
    assert page.evaluate(LINES, ["#batches .ids", "10000"]) == [1]
    site.service.change_rates({"interval": 0.5, "burst": 1})
    site.service.sweep("redrive", SweepFilter(Status.FAILED, since=1.0, until=2e9), {}, by=None)
    page.goto(f"{site.url}/audit")
    expect(page.locator("#entries tr")).to_have_count(2)
    assert page.evaluate(LINES, ["#entries td[data-label=Who]", "anybody"]) == [1, 1]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_moments_are_in_the_browsers_zone(new_site: NewSite, new_yorker: Any) -> None:
    site = new_site()
    since = site.clock.now() - 3600
    site.service.sweep("redrive", SweepFilter(Status.FAILED, since=since), {}, by="ann")
    site.service.store.hold(90)
    site.service.end_hold("ann")
    new_yorker.goto(f"{site.url}/failures")
    expect(new_yorker.locator("#sweeps td[data-label=Filter]")).to_have_text("status failed, since 02:00:00")
    new_yorker.goto(f"{site.url}/audit")
    expect(new_yorker.locator("#entries td[data-label=Before]").first).to_have_text("hold until: 03:01:30")
    expect(new_yorker.locator("#entries td[data-label=After]").last).to_contain_text("since: 02:00:00")


@pytest.mark.parametrize("width", [375, 700, 970, 1280])
def test_the_times_below_the_chart_stand_apart(new_site: NewSite, after_midnight: Any, width: int) -> None:
    after_midnight.set_viewport_size({"width": width, "height": 800})
    after_midnight.goto(new_site().url)
    times = after_midnight.locator("#chart .foot span:visible")
    expect(times.first).to_contain_text("PM")
    boxes = [one.bounding_box() for one in times.all()]
    assert len(boxes) > 2
    for left, right in pairwise(boxes):
        assert left["x"] + left["width"] + 4 <= right["x"]
        assert left["height"] == right["height"] < 30


def test_the_label_of_the_caller_to_pause_stands_apart(new_site: NewSite, page: Any) -> None:
    page.goto(new_site().url)
    page.get_by_text("Pause a part of it").click()
    button = page.get_by_role("button", name="Pause LOW").bounding_box()
    label = page.get_by_text("Caller", exact=True).first.bounding_box()
    assert label["y"] - (button["y"] + button["height"]) >= 8
