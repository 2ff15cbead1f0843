"""The form to submit ids, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.models import Priority

from . import needs
from .site import Site

expect = needs.module("playwright.sync_api", "Playwright").expect

NewSite = Callable[..., Site]

GREATEST = 2**63 - 1


def working(new_site: NewSite, **settings: Any) -> Site:
    site = new_site(**settings)
    site.submit(range(1, 31), Priority.HIGH)
    site.work(running=1)
    return site


def ids_of(site: Site) -> list[Any]:
    """The ids of the newest ingestion."""
    newest = site.service.store.ingestions(limit=1)[0]
    return [one for batch in site.service.store.batches(newest.id)[1] for one in batch.ids]


def test_pasted_ids_are_quoted_at_each_priority_and_submitted_exactly(new_site: NewSite, page: Any) -> None:
    site = working(new_site)
    page.goto(f"{site.url}/submit")
    send = page.locator("#send")
    expect(send).to_be_disabled()
    page.get_by_label("Ids").fill(f"[5, 4;\n{GREATEST}\t4 '007']")
    expect(page.locator("#ids-found")).to_have_text("5 ids (1 repeated) in 2 batches.")
    choices = page.locator(".choice .quote")
    expect(choices.nth(0)).to_have_text(re.compile("starts in 50 s.*ends in 55 s.*9 batches ahead"))
    expect(choices.nth(2)).to_have_text(re.compile("starts in 50 s"))
    page.get_by_label("LOW").check()
    expect(send).to_have_text("Submit 5 ids as LOW")
    send.click()
    expect(page.locator("h1")).to_contain_text("Ingestion")
    assert ids_of(site) == [5, 4, GREATEST, 4, 7]
    assert site.service.store.ingestions(limit=1)[0].priority is Priority.LOW


def test_a_file_of_ids(new_site: NewSite, page: Any, tmp_path: Path) -> None:
    site = working(new_site)
    file = tmp_path / "ids.csv"
    file.write_text("\n".join(map(str, range(1, 20_001))))
    page.goto(f"{site.url}/submit")
    page.get_by_label("or a file of them").set_input_files(file)
    expect(page.locator("#ids-found")).to_have_text("20,000 ids in 6,667 batches.")
    expect(page.get_by_label("Ids")).to_be_disabled()
    page.get_by_role("button", name="Remove the file").click()
    expect(page.locator("#send")).to_be_disabled()
    page.get_by_label("or a file of them").set_input_files(file)
    page.get_by_role("button", name="Submit 20,000 ids as MEDIUM").click()
    expect(page.locator("h1")).to_contain_text("Ingestion")
    assert ids_of(site) == list(range(1, 20_001))


def test_a_fault_is_named_where_it_is(new_site: NewSite, page: Any) -> None:
    page.goto(f"{new_site(max_ids=3).url}/submit")
    for text, fault in [
        ("1\n2 x3", "Line 2: “x3” is not a whole number."),
        ("1.5", "Line 1: “1.5” is not a whole number."),
        ("0", f"Line 1: “0” is not from 1 to {GREATEST}."),
        (str(2**63), f"Line 1: “{2**63}” is not from 1 to {GREATEST}."),
        ("1 2 3 4", "These are 4 ids; at most 3 are accepted."),
    ]:
        page.get_by_label("Ids").fill(text)
        expect(page.locator("#ids-found")).to_have_text(fault)
        expect(page.locator("#send")).to_be_disabled()


def test_strings_one_a_line_are_submitted_exactly(new_site: NewSite, page: Any) -> None:
    site = new_site(id_type="string")
    ids = ['SKU "1", red', "a/b\\c", "\u00fc\U0001f600", "<b>007</b>"]
    page.goto(f"{site.url}/submit")
    page.get_by_label("Ids").fill("\n".join(["", *ids, "  a/b\\c "]))
    expect(page.locator("#ids-found")).to_have_text("5 ids (1 repeated) in 2 batches.")
    page.locator("#send").click()
    expect(page.locator("h1")).to_contain_text("Ingestion")
    assert ids_of(site) == [*ids, "a/b\\c"]
    expect(page.locator("#batches .ids").first).to_have_text(", ".join(ids[:3]))


def test_a_fault_in_a_string_is_named_where_it_is(new_site: NewSite, page: Any) -> None:
    page.goto(f"{new_site(id_type='string', max_ids=2).url}/submit")
    for text, fault in [
        (f"a\n{'x' * 201}", f"Line 2: “{'x' * 40}” has more than 200 characters."),
        ("a\u200bb", "Line 1: “a\u200bb” holds a character that is not printable."),
        ("a\nb\nc", "These are 3 ids; at most 2 are accepted."),
    ]:
        page.get_by_label("Ids").fill(text)
        expect(page.locator("#ids-found")).to_have_text(fault)
        expect(page.locator("#send")).to_be_disabled()


def test_sending_again_after_a_lost_answer_submits_once(new_site: NewSite, page: Any) -> None:
    site = working(new_site)
    page.goto(f"{site.url}/submit")
    page.get_by_label("Ids").fill("1 2 3")

    def lose_the_answer(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/ingest", lose_the_answer, times=1)
    page.locator("#send").click()
    expect(page.locator("#notices")).to_contain_text("Sending again submits nothing twice.")
    page.locator("#send").click()
    expect(page.locator("h1")).to_contain_text("Ingestion")
    assert len(site.service.store.ingestions()) == 2


def test_a_refusal_says_why(new_site: NewSite, page: Any) -> None:
    site = working(new_site, max_pending=10)
    page.goto(f"{site.url}/submit")
    page.get_by_label("Ids").fill("1 2 3 4 5 6")
    page.locator("#send").click()
    expect(page.locator("#notices")).to_contain_text("9 batches are waiting, which takes 45.0 s, and at most 10 may")
    expect(page.get_by_label("Ids")).to_have_value("1 2 3 4 5 6")


def test_no_times_are_promised_while_paused(new_site: NewSite, page: Any) -> None:
    site = working(new_site)
    site.service.pause()
    page.goto(f"{site.url}/submit")
    page.get_by_label("Ids").fill("1")
    expect(page.locator(".choice .quote").first).to_contain_text("no time while paused")
