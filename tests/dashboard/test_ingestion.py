"""One ingestion's page, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.callbacks import Callback, CallbackState, Delivery
from app.core.models import Batch, BatchError, Status
from tests.support.queueing import claimed, retry
from tests.support.sink import SECRET

from . import needs
from .site import REFUSED, Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]

HOSTILE = BatchError("Error", "<img src=x onerror=alert(1)><script>alert(2)</script>")


def failing(new_site: NewSite, *positions: int, batches: int, steps: int) -> tuple[Site, str]:
    site = new_site(interval=0, batch_size=1)
    made = site.submit(range(1, batches + 1))

    def end(batch: Batch, _step: int) -> BatchError | None:
        return HOSTILE if batch.position in positions else None

    site.drive(steps, end=end, seconds=1)
    return site, made.id


def test_it_shows_the_batches_and_how_far_it_is(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, 2, batches=10, steps=4)
    site.work(running=4)
    page.goto(f"{site.url}/ingestions/{made}")
    expect(page.locator("#legend")).to_have_text(re.compile("3 completed.*1 failed.*4 triggered.*2 yet to start"))
    expect(page.locator("#facts")).to_contain_text("10 in 10 batches")
    expect(page.locator("#facts")).to_contain_text("Batches ahead")
    expect(page.locator("#facts")).to_contain_text("Completion")
    rows = page.locator("#batches tr")
    expect(rows).to_have_count(10)
    expect(rows.nth(2)).to_have_text(re.compile(rf"^3failed1\d.*, took 0\.0 s3Error: {re.escape(HOSTILE.message)}$"))
    expect(rows.nth(4)).to_have_text(re.compile(r"^5triggered1since .*5$"))
    expect(rows.nth(9)).to_have_text("10yet to start010")
    link = page.get_by_role("link", name="Status, first 100 batches (JSON)")
    assert link.get_attribute("href") == f"/jobs/status/{made}?limit=100"


def test_a_batch_that_waits_for_its_retry_does_not_look_like_a_running_one(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0)
    made = site.submit([1]).id
    (claim,) = claimed(site.service.store)
    retry(site.service.store, claim, REFUSED, 600)
    page.goto(f"{site.url}/ingestions/{made}")
    expect(page.locator("#batches tr")).to_have_text(re.compile("^1waits to retry1goes again at "))
    expect(page.locator("#batches .pill")).to_have_class("pill retry")


def test_pages_and_the_way_to_the_next_failed_batch(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, 7, 130, batches=160, steps=160)
    page.goto(f"{site.url}/ingestions/{made}")
    where = page.locator("#where")
    expect(where).to_have_text("1 to 50 of 160")
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    page.get_by_role("button", name="Next", exact=True).click()
    expect(where).to_have_text("51 to 100 of 160")
    page.get_by_role("button", name="Last").click()
    expect(where).to_have_text("151 to 160 of 160")
    page.go_back()
    expect(where).to_have_text("51 to 100 of 160")
    find = page.get_by_role("button", name="Next failed batch")
    find.click()
    expect(page.locator("tr.sought")).to_have_text(re.compile("^131failed"))
    expect(where).to_have_text("101 to 150 of 160")
    find.click()
    expect(page.locator("tr.sought")).to_have_text(re.compile("^8failed"))
    expect(page.locator("tr.sought")).to_be_in_viewport()


def test_only_the_batches_in_one_status(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, 7, 130, batches=160, steps=150)
    page.goto(f"{site.url}/ingestions/{made}")
    only = page.get_by_label("Status")
    expect(only.locator("option", has_text="failed")).to_have_text("failed (2)")
    only.select_option("failed")
    rows = page.locator("#batches tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_have_text(re.compile("^131failed"))
    expect(page.locator("#pager")).to_be_hidden()
    only.select_option("completed")
    expect(page.locator("#where")).to_have_text("1 to 50 of 148")
    page.get_by_role("button", name="Last").click()
    expect(page.locator("#where")).to_have_text("101 to 148 of 148")
    page.reload()
    expect(page.locator("#where")).to_have_text("101 to 148 of 148")
    expect(only).to_have_value("completed")
    page.go_back()
    page.go_back()
    expect(rows).to_have_count(2)
    only.select_option("cancelled")
    expect(page.get_by_text("No batch is in this status now.")).to_be_visible()


def test_cancelling_asks_first(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, batches=10, steps=2)
    page.goto(f"{site.url}/ingestions/{made}")
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Cancel this ingestion?")
    expect(dialog).to_contain_text("8 batches")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert site.service.store.get(made).status is Status.TRIGGERED
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel the ingestion").click()
    expect(page.locator("#notices")).to_contain_text("The ingestion is cancelled.")
    expect(page.locator("#pills")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert site.service.store.get(made).counts.cancelled == 8


def test_redriving_asks_first(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, 0, 1, batches=3, steps=3)
    page.goto(f"{site.url}/ingestions/{made}")
    page.get_by_role("button", name="Redrive").click()
    dialog = page.get_by_role("dialog", name="Redrive the failed batches?")
    expect(dialog).to_contain_text("2 failed batches")
    dialog.get_by_role("button", name="Redrive").click()
    expect(page.locator("#pills")).to_contain_text("triggered")
    expect(page.get_by_role("button", name="Redrive")).to_be_hidden()
    assert site.service.store.get(made).counts.failed == 0


def test_a_callback_is_shown_and_sent_again(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0, webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET)
    made = site.submit([1]).id
    site.drive(1, seconds=1)
    outbox = site.service.store.outbox
    callback = outbox.claim(30)
    assert isinstance(callback, Callback)
    outbox.end(callback, Delivery(CallbackState.FAILED, "hooks.example.org answered 500."))
    page.goto(f"{site.url}/ingestions/{made}")
    facts = page.locator("#facts")
    expect(facts).to_contain_text("Callbackfailed after 1 attempt: hooks.example.org answered 500.")
    page.get_by_role("button", name="Send the callback again").click()
    dialog = page.get_by_role("dialog", name="Send the callback again?")
    dialog.get_by_role("button", name="Send it again").click()
    expect(page.locator("#notices")).to_contain_text("The callback goes again.")
    expect(facts).to_contain_text("Callbackpending after 1 attempt")
    expect(facts).to_contain_text("Callback goes again")
    assert outbox.unsent() == (1, 0)
    callback = outbox.claim(30)
    assert isinstance(callback, Callback)
    outbox.end(callback, Delivery(CallbackState.SENT))
    expect(facts).to_contain_text("Callbacksent after 2 attempts")
    expect(page.get_by_role("button", name="Send the callback again")).to_be_hidden()


def test_what_cannot_be_done_any_more_is_explained(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, batches=2, steps=1)
    page.goto(f"{site.url}/ingestions/{made}")
    page.get_by_role("button", name="Cancel").click()
    site.drive(1, seconds=1)
    page.get_by_role("button", name="Cancel the ingestion").click()
    expect(page.locator("#notices")).to_contain_text("nothing is left to cancel")


def test_results_are_a_download(new_site: NewSite, page: Any) -> None:
    site, made = failing(new_site, 1, batches=3, steps=3)
    page.goto(f"{site.url}/ingestions/{made}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Results").click()
    assert download.value.suggested_filename == f"{made}.ndjson"
    assert download.value.path().read_text() == '{"id":1,"data":null}\n{"id":3,"data":null}\n'
