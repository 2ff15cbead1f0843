"""The timeline of an ingestion: what it draws, and that a browser draws it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core import Priority, timestamp
from tests.support.queueing import claimed, finish, release, retry, worked_elsewhere

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def eventful(new_site: NewSite, **settings: Any) -> tuple[Site, str]:
    """A site with an ingestion of which the first batch failed once, and the third waits."""
    site = new_site(interval=5, **settings)
    store, clock = site.service.store, site.clock
    made = site.submit(range(1, 10), Priority.HIGH).id
    (first,) = claimed(store)
    clock.advance(2)
    retry(store, first, REFUSED, 30.0)
    clock.advance(3)
    (second,) = claimed(store)
    store.hold(60)
    release(store, second)
    clock.advance(60)
    (first,) = claimed(store)
    clock.advance(1)
    finish(store, first)
    return site, made


def told(site: Site, made: str, query: str = "") -> Any:
    return site.app.test_client().get(f"/jobs/dashboard/ingestions/{made}/data{query}").json["timeline"]


def parts(lane: Any) -> list[tuple[str, str]]:
    return [(part["kind"], part["what"]) for part in lane["parts"]]


def test_each_wait_and_each_run_has_its_part(new_site: NewSite) -> None:
    site, made = eventful(new_site, attempts_kept=5)
    timeline = told(site, made)
    first, second, third = timeline["lanes"]
    assert parts(first) == [
        ("waited", "arrival"),
        ("ran", "retry"),
        ("waited", "retry"),
        ("waited", "hold"),
        ("ran", "completed"),
    ]
    assert first["parts"][1]["error"]["type"] == REFUSED.type
    assert parts(second) == [("waited", "token"), ("ran", "released"), ("waits", "worker")]
    assert parts(third) == [("waits", "worker")]
    assert timeline["estimated_at_submission"] is not None
    assert timeline["finished_at"] is None
    # Each part begins where the one before it ended.
    for lane in timeline["lanes"]:
        assert lane["parts"][0]["from"] == timeline["accepted_at"]
        ends = [part["to"] for part in lane["parts"]]
        assert [part["from"] for part in lane["parts"][1:]] == ends[:-1]


def test_without_attempts_it_tells_what_batches_know(new_site: NewSite) -> None:
    site, made = eventful(new_site)
    first, second, third = told(site, made)["lanes"]
    assert parts(first) == [("waited", "earlier"), ("waited", "hold"), ("ran", "completed")]
    assert parts(second) == [("waits", "worker")]
    assert parts(third) == [("waits", "worker")]


def test_what_is_no_longer_in_the_log_of_dispatches_is_told_without_a_reason(new_site: NewSite) -> None:
    site, made = eventful(new_site, dispatch_log=1)
    site.clock.advance(5)
    (second,) = claimed(site.service.store)
    first, second_lane, _ = told(site, made)["lanes"]
    assert parts(first) == [("waited", "earlier"), ("ran", "completed")]
    assert parts(second_lane)[-1] == ("ran", "triggered")
    retry(site.service.store, second, REFUSED, 30.0)
    assert parts(told(site, made)["lanes"][1])[-2:] == [("ran", "retry"), ("waits", "retry")]


def test_a_batch_that_waits_says_what_holds_it_now(new_site: NewSite, tmp_path: Path) -> None:
    # What is in a database others work on, though no worker runs here.
    site = new_site(interval=5, store=f"sqlite:///{tmp_path}/queue.db")
    store, client, clock = site.service.store, site.app.test_client(), site.clock
    made = site.submit(range(1, 7), Priority.LOW).id

    def now() -> list[tuple[str, str]]:
        return [parts(lane)[-1] for lane in told(site, made)["lanes"]]

    assert now() == [("waits", "worker")] * 2
    worked_elsewhere(store)
    assert now() == [("waits", "line")] * 2
    (claim,) = claimed(store)
    clock.advance(1)
    assert now() == [("ran", "triggered"), ("waits", "token")]
    retry(store, claim, REFUSED, 30.0)
    (waits,) = [part for part in told(site, made)["lanes"][0]["parts"] if part["kind"] == "waits"]
    assert (waits["what"], waits["due_at"]) == ("retry", timestamp(clock.now() + 30))
    store.hold(60)
    assert now() == [("waits", "retry"), ("waits", "hold")]
    client.post("/jobs/queue/pause?priority=LOW")
    clock.advance(40)
    worked_elsewhere(store)
    assert now() == [("waits", "paused_priority")] * 2
    # The retry was due 10 s ago; since then it is the pause that holds it.
    assert parts(told(site, made)["lanes"][0])[-2:] == [("waited", "retry"), ("waits", "paused_priority")]
    client.post("/jobs/queue/pause")
    assert now() == [("waits", "paused")] * 2


def test_batches_in_one_status_have_their_lanes(new_site: NewSite) -> None:
    site = new_site(interval=0, batch_size=1, attempts_kept=1)
    made = site.submit(range(1, 400)).id
    site.drive(399, end=lambda batch, _: REFUSED if batch.position in (3, 390) else None, seconds=1)
    lanes = told(site, made, "?status=failed")["lanes"]
    assert [(lane["position"], parts(lane)[-1]) for lane in lanes] == [(3, ("ran", "failed")), (390, ("ran", "failed"))]


def test_a_browser_draws_it_and_says_it_in_words(new_site: NewSite, page: Any) -> None:
    site, made = eventful(new_site, attempts_kept=5)
    page.goto(f"{site.url}/ingestions/{made}")
    picture = page.get_by_role("img", name="When 3 batches waited and ran")
    expect(picture).to_be_visible()
    expect(picture.locator("rect.ran")).to_have_count(3)
    expect(picture.locator("rect.waited.hold")).to_have_count(1)
    expect(picture.locator("line.limit")).to_have_count(1)
    expect(page.locator("#timeline-summary")).to_have_text(re.compile("^Accepted at .*; then estimated to end at .*"))
    page.get_by_text("As a table").click()
    rows = page.locator("#parts tr")
    expect(rows.last).to_have_text(re.compile("^3.*has waited 1 min 06 s, now for a worker$"))
    expect(rows.nth(1)).to_have_text(re.compile("^1.*ran 2.0 s, failed, to be tried again: PermanentError: "))
    expect(rows.nth(3)).to_have_text(re.compile("waited 33 s for the end of a hold$"))
    store, clock = site.service.store, site.clock
    for _ in range(2):
        clock.advance(5)
        finish(store, claimed(store)[0])
    expect(picture.locator("line.end")).to_have_count(1)
    expect(page.locator("#timeline-summary")).to_have_text(re.compile(r"ended at .*, 1 min 06 s late\.$"))
