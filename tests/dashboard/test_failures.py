"""The page of what failed, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.core import BatchError, Priority

from . import needs
from .site import Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]


def test_all_with_one_error_are_redriven_once_the_count_is_confirmed(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0, batch_size=1)
    made = [site.submit([number]).id for number in range(1, 31)]
    site.drive(30, end=lambda batch, _: BatchError("Gone", f"no record {batch.ids[0]}"), seconds=1)
    page.goto(f"{site.url}/failures")
    page.get_by_role("button", name="Redrive ingestions with Gone: no record").click()
    dialog = page.get_by_role("dialog", name="Redrive 30 ingestions?")
    expect(dialog).to_contain_text("30 failed batches")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert site.service.store.get(made[0]).counts.failed == 1
    page.get_by_role("button", name="Redrive ingestions with Gone: no record").click()
    dialog.get_by_role("button", name="Redrive", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("The redrive is under way.")
    expect(page.locator("#sweeps tr")).to_have_text(re.compile("redrive.*group .*finished: 30 of 30 ingestions$"))
    expect(page.locator("#groups tr")).to_have_count(0)
    assert all(site.service.store.get(one).counts.yet_to_start == 1 for one in made)


def test_it_groups_what_failed_and_leads_to_it(new_site: NewSite, page: Any) -> None:
    site = new_site(interval=0, batch_size=1)
    made = site.submit(range(1, 6), Priority.LOW)
    site.drive(5, end=lambda batch, _: BatchError("Gone", f"<b>no</b> record {batch.ids[0]}"), seconds=1)
    site.clock.advance(7200)
    site.submit([1], Priority.HIGH)
    site.drive(1, end=lambda *_: BatchError("Down", "try later"), seconds=1)
    page.goto(f"{site.url}/failures")
    rows = page.locator("#groups tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_have_text(re.compile("^1Down: try later"))
    expect(rows.nth(1)).to_have_text(re.compile(f"^5Gone: <b>no</b> record ….*{made.id[:8]}"))
    with page.expect_download() as download:
        rows.nth(1).get_by_role("link", name="NDJSON").click()
    assert len(download.value.path().read_text().splitlines()) == 5
    page.get_by_label("Failed within").select_option("1 hour")
    expect(rows).to_have_count(1)
    page.get_by_label("Priority").select_option("LOW")
    expect(page.get_by_text("No batch failed in this time.")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("link", name=made.id[:8]).click()
    expect(page.locator("#batches tr")).to_have_count(5)
    expect(page.locator("#only")).to_have_value("failed")
