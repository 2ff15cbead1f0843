"""The queue's page, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.core import Batch, BatchError, Priority, WorkerReport

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def busy(new_site: NewSite, **settings: Any) -> Site:
    """Three ingestions: one ended with a failure, one in process, one waiting."""
    site = new_site(**settings)

    def end(batch: Batch, _step: int) -> BatchError | None:
        return REFUSED if batch.position == 1 else None

    site.submit(range(1, 10), Priority.HIGH)
    site.drive(3, end=end)
    site.submit(range(101, 131), Priority.MEDIUM)
    site.submit(range(201, 207), Priority.LOW)
    site.work(running=1)
    return site


def test_it_shows_the_whole_queue(new_site: NewSite, page: Any) -> None:
    page.goto(busy(new_site).url)
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^[34]\.\d s$"))
    expect(page.locator("#held")).to_have_text("Waiting for the rate limit.")
    expect(page.locator("#tokens")).to_have_text("Tokens: 0 of 1, one every 5 s")
    expect(page.locator("#waiting")).to_have_text("11")
    expect(page.locator("#running")).to_have_text("1")
    expect(page.locator("#failed")).to_have_text("1")
    expect(page.locator("#priorities tr")).to_have_text(
        [re.compile(r"^HIGH0\W\W$"), re.compile(r"^MEDIUM9\d s.*in 4\d s$"), re.compile(r"^LOW2\d s.*in 5\d s$")]
    )
    expect(page.locator("#chart svg .bar")).to_have_count(1)
    expect(page.locator("#chart-note")).to_have_text(
        "4 in the last hour, at most 4 a minute, 1 failed, the rate in force is 12 a minute."
    )
    expect(page.locator("#accuracy")).to_contain_text("off by 0.0 s on average")
    expect(page.locator("#upcoming tr")).to_have_count(10)
    expect(page.locator("#upcoming tr").first).to_contain_text("104, 105, 106")
    expect(page.locator("#upcoming tr").last).to_contain_text("201, 202, 203")
    rows = page.locator("#rows tr")
    expect(rows).to_have_text([re.compile("yet to start"), re.compile("triggered"), re.compile("failed")])
    bar = rows.last.get_by_role("progressbar")
    assert bar.get_attribute("aria-valuetext") == "2 completed, 1 failed, of 3"
    expect(page.locator("#alerts > *")).to_have_count(0)
    expect(page.locator("#workers tr")).to_have_count(1)


def test_it_lists_who_works_to_an_operator(new_site: NewSite, page: Any) -> None:
    site = busy(new_site)
    site.service.store.report(WorkerReport("w", "a-host", 4711, "1.2.3", 4, 3, 1))
    page.goto(site.url)
    expect(page.locator("#workers tr").last).to_have_text(
        re.compile(r"^a-host, process 47111\.2\.33 of 4 busy, 1 hung")
    )
    (run,) = site.service.store.runs(9)
    link = page.locator("#workers tr").last.get_by_role("link")
    expect(link).to_have_text(run.ingestion_id[:8])
    expect(link).to_have_attribute("title", f"Batch {run.batch_id}")
    expect(page.locator("#running-note")).to_have_text("of 8 slots")


def test_the_countdown_runs_between_two_looks(new_site: NewSite, page: Any) -> None:
    page.goto(busy(new_site, interval=600).url)
    countdown = page.locator("#countdown")
    expect(countdown).to_have_text("10 min 00 s")
    expect(countdown).to_have_text("9 min 59 s")


def test_it_follows_the_queue(new_site: NewSite, page: Any) -> None:
    site = busy(new_site)
    page.goto(site.url)
    expect(page.locator("#rows tr")).to_have_count(3)
    link = page.locator("#rows a").first
    link.focus()
    site.submit([7], Priority.HIGH)
    expect(page.locator("#rows tr")).to_have_count(4)
    expect(page.locator("#rows tr").first).to_contain_text("HIGH")
    # The row moved down, and the keyboard's place with it.
    expect(page.locator("#rows tr").nth(1).locator("a")).to_be_focused()


def test_pausing_and_resuming_ask_first(new_site: NewSite, page: Any) -> None:
    site = busy(new_site)
    page.goto(site.url)
    page.get_by_role("button", name="Pause the queue").click()
    dialog = page.get_by_role("dialog", name="Pause the queue?")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_be_hidden()
    assert not site.service.store.stats().paused
    page.get_by_role("button", name="Pause the queue").click()
    dialog.get_by_role("button", name="Pause").click()
    expect(page.locator("#alerts")).to_contain_text("The queue is paused")
    expect(page.locator("#countdown")).to_have_text("paused")
    expect(page.get_by_role("button", name="Resume the queue")).to_be_focused()
    assert site.service.store.stats().paused
    page.get_by_role("button", name="Resume the queue").click()
    page.get_by_role("dialog", name="Resume the queue?").get_by_role("button", name="Resume").click()
    expect(page.locator("#alerts > *")).to_have_count(0)
    assert not site.service.store.stats().paused


def test_a_hold_says_when_it_ends(new_site: NewSite, page: Any) -> None:
    site = busy(new_site)
    site.service.store.hold(90)
    page.goto(site.url)
    expect(page.locator("#alerts")).to_have_text(re.compile(r"On hold.*Ends in 1 min \d\d s\.$"))
    expect(page.locator("#held")).to_have_text(re.compile("The upstream asked for quiet until 08:01:"))


def test_filters_are_part_of_the_address(new_site: NewSite, page: Any) -> None:
    site = busy(new_site)
    page.goto(site.url)
    expect(page.locator("#rows tr")).to_have_count(3)
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("#rows tr")).to_have_text([re.compile("HIGHfailed")])
    assert page.url.endswith("?status=failed")
    page.reload()
    expect(page.get_by_label("Status")).to_have_value("failed")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.get_by_label("Priority").select_option("LOW")
    expect(page.locator("#rows-none")).to_have_text("None match.")
    page.go_back()
    expect(page.locator("#rows tr")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#rows tr")).to_have_count(3)


def test_the_figure_of_failed_batches_leads_to_exactly_those(new_site: NewSite, page: Any) -> None:
    site = new_site()
    for _ in range(3):
        site.submit(range(1, 7))
    site.drive(3, end=lambda _, step: REFUSED if step % 2 == 0 else None)
    page.goto(site.url)
    expect(page.locator("#failed")).to_have_text("2")
    page.get_by_role("link", name="see which").click()
    rows = page.locator("#rows tr")
    expect(page.get_by_role("heading", name="Ingestions")).to_be_in_viewport()
    # Both have one failed batch, though one of them still runs.
    expect(rows).to_have_count(2)
    expect(page.get_by_label("Batches", exact=True)).to_have_value("true")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("Batches", exact=True)).to_have_value("")
    expect(rows).to_have_count(3)


def test_ten_thousand_ingestions_are_pages_of_25(new_site: NewSite, page: Any) -> None:
    site = new_site()
    for number in range(10_000):
        site.submit([number + 1], list(Priority)[number % 3])
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())) if "/data" in answer.url else None)
    page.goto(site.url)
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(25)
    newest = rows.first.locator("a").get_attribute("title")
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("button", name="Newer")).to_be_enabled()
    expect(rows.first.locator("a")).not_to_have_attribute("title", str(newest))
    page.get_by_role("button", name="Older").click()
    page.wait_for_function("history.state.came.length === 2")
    page.get_by_role("button", name="Newer").click()
    page.get_by_role("button", name="Newer").click()
    expect(rows.first.locator("a")).to_have_attribute("title", str(newest))
    assert rows.count() == 25
    assert max(sizes) < 20_000


def test_search_leads_to_the_ingestion(new_site: NewSite, page: Any) -> None:
    site = new_site()
    made = site.submit([1, 2])
    page.goto(site.url)
    page.get_by_label("Find an ingestion, a batch or a record by its id").fill(f" {made.id} ")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"Ingestion {made.id}")
    sought = site.service.store.batches(made.id)[1][0].id
    page.get_by_label("Find an ingestion, a batch or a record by its id").fill(f"dispatched batch {sought}, attempt 1")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"Ingestion {made.id}")
    expect(page.locator("tr.sought")).to_have_text(re.compile("^1yet to start"))
    page.get_by_label("Find an ingestion, a batch or a record by its id").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("No such ingestion or id")
    page.get_by_label("Find an ingestion, a batch or a record by its id").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Where 2 is")
    expect(page.locator("#places tr")).to_have_text(re.compile(f"^{made.id[:8]}MEDIUM.*1yet to start"))
    page.locator("#places").get_by_role("link", name="1", exact=True).click()
    expect(page.locator("tr.sought")).to_have_text(re.compile("^1yet to start"))
