"""What the dashboard's pages are fed with; no browser needed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import IngestionAPI
from app.core import Pauses
from app.core.models import Batch, BatchError, Priority
from app.errors import StoreUnavailable
from app.keys import Role, new_key
from tests.support.clock import START
from tests.support.host import eventually
from tests.support.queueing import bury, retry, worked_elsewhere

from .site import REFUSED, Site

NewSite = Callable[..., Site]


def client(site: Site) -> FlaskClient:
    return site.app.test_client()


def data(site: Site, path: str = "/data") -> Any:
    answer = client(site).get(f"/jobs/dashboard{path}")
    assert answer.status_code == 200, answer.text
    return answer.json


def titles(site: Site) -> list[str]:
    return [alert["title"] for alert in data(site)["alerts"]]


def test_calls_that_fail_one_after_the_other_are_told_of(new_site: NewSite) -> None:
    site = new_site(interval=0, batch_size=1, max_attempts=1, works=True)
    answers = [OSError("no such 17")] * 5 + [None, OSError()]

    @site.extension.processor
    def process(_: Any) -> None:
        if error := answers.pop(0):
            raise error

    def after(calls: int) -> list[str]:
        made = site.submit(range(1, calls + 1))
        eventually(lambda: site.service.store.get(made.id).finished_at is not None)
        return titles(site)

    assert after(4) == []
    assert after(1) == ["The last 5 calls failed"]
    assert "17" not in str(data(site)["alerts"])
    assert after(1) == []
    assert after(1) == []


@pytest.mark.parametrize("path", ["", "/data", "/submit", "/ingestions/nothing", "/ingestions/nothing/data"])
def test_every_answer_carries_the_policy(new_site: NewSite, path: str) -> None:
    headers = client(new_site()).get(f"/jobs/dashboard{path}").headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_assets_may_be_kept_for_their_address_changes_with_them(new_site: NewSite) -> None:
    browser = client(new_site())
    page = browser.get("/jobs/dashboard").text
    address = re.search(r'src="(/jobs/dashboard/static-[0-9a-f]{12}/overview\.js)"', page)
    assert address is not None
    with browser.get(address.group(1)) as answer:
        assert answer.mimetype == "text/javascript"
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("prefix", [None, "/jobs", "/a/b"])
def test_it_lives_under_any_prefix(new_site: NewSite, prefix: str | None) -> None:
    page = client(new_site(prefix=prefix)).get(f"{prefix or ''}/dashboard")
    assert page.status_code == 200
    assert f'data-source="{prefix or ""}/dashboard/data"' in page.text


def test_ids_are_text(new_site: NewSite) -> None:
    site = new_site()
    made = site.submit([2**63 - 1, 7])
    assert data(site)["next"][0]["ids"] == ["9223372036854775807", "7"]
    assert data(site, f"/ingestions/{made.id}/data")["batches"][0]["ids"] == ["9223372036854775807", "7"]


def test_a_large_batch_shows_its_first_ids(new_site: NewSite) -> None:
    site = new_site(batch_size=1000)
    site.submit(range(1, 1001))
    first = data(site)["next"][0]
    assert (first["ids"], first["id_count"]) == (["1", "2", "3", "4", "5"], 1000)


@pytest.mark.parametrize("how", ["{}", " {} ", "GET /status/{}/cancel", "{}\n"])
def test_a_search_finds_the_id_in_what_was_pasted(new_site: NewSite, how: str) -> None:
    site = new_site()
    made = site.submit([1])
    pasted = how.format(made.id.upper())
    answer = client(site).get("/jobs/dashboard/search", query_string={"id": pasted}, follow_redirects=True)
    assert answer.request.path == f"/jobs/dashboard/ingestions/{made.id}"


@pytest.mark.parametrize("sought", ["nothing", "", "a/b", "<script>alert(1)</script>"])
def test_a_search_for_what_is_not_there_says_so(new_site: NewSite, sought: str) -> None:
    answer = client(new_site()).get("/jobs/dashboard/search", query_string={"id": sought}, follow_redirects=True)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "No such ingestion" in answer.text
    assert "<script>alert" not in answer.text


def test_counts_are_by_the_minutes_of_the_last_hour(new_site: NewSite) -> None:
    site = new_site()
    site.clock.advance_to(START + 3600)
    site.submit(range(1, 31))
    site.drive(3, seconds=30)
    site.clock.advance(60 * 57)
    site.drive(2, seconds=10)
    counts = data(site)["hour"]["counts"]
    assert sum(counts) == 5
    assert (counts[0], counts[1], counts[-1]) == (0, 2, 2)


def test_the_next_failed_batch_is_found_beyond_the_page(new_site: NewSite) -> None:
    site = new_site(batch_size=1, interval=0, max_attempts=1)
    made = site.submit(range(1, 2601))

    def end(batch: Batch, _step: int) -> BatchError | None:
        return REFUSED if batch.position in (3, 2400) else None

    site.drive(2600, end=end)
    path = f"/ingestions/{made.id}/failed"
    assert data(site, f"{path}?from=0") == {"position": 3}
    assert data(site, f"{path}?from=4") == {"position": 2400}
    assert data(site, f"{path}?from=2401") == {"position": None}


def test_the_countdown_of_a_retry_ends_when_it_is_due(new_site: NewSite) -> None:
    site = new_site()
    site.submit([1])
    store = site.service.store
    claim = store.claim(1)[0]  # type: ignore[index]
    retry(store, claim, REFUSED, 90)
    site.work()
    found = data(site)
    assert found["waiting_on"] == "retry"
    assert found["next_dispatch_at"] == "2027-01-15T08:01:30.000Z"


def test_nothing_is_promised_while_nothing_works(new_site: NewSite) -> None:
    site = new_site()
    made = site.submit(range(1, 20))
    found = data(site)
    assert found["next_dispatch_at"] is None
    assert found["priorities"]["MEDIUM"]["drained_at"] is None
    assert {batch["estimated_start"] for batch in found["next"]} == {None}
    assert data(site, f"/ingestions/{made.id}/data")["estimated_completion"] is None


def test_what_is_wrong_comes_worst_first(new_site: NewSite) -> None:
    site = new_site(max_pending=10)
    assert titles(site) == ["No worker in this process"]
    site.work()
    assert titles(site) == []
    site.service.pause()
    site.service.store.hold(60)
    site.submit(range(1, 28))
    assert titles(site) == ["The queue is paused", "On hold", "The backlog is nearly at its limit"]
    site.submit([1])
    assert titles(site) == ["The backlog is at its limit", "The queue is paused", "On hold"]


def test_what_is_paused_apart_from_the_whole_is_told(new_site: NewSite) -> None:
    site = new_site()
    site.work()
    site.service.pause(what=Pauses(frozenset({Priority.HIGH, Priority.LOW}), frozenset({"ann"})))
    assert titles(site) == ["HIGH, LOW paused", "A caller is paused"]
    site.service.pause(what=Pauses(owners=frozenset({"bob"})))
    assert titles(site)[-1] == "2 callers are paused"


def test_a_backlog_too_long_to_drain_is_told(new_site: NewSite) -> None:
    site = new_site(max_backlog_seconds=50)
    site.work(running=0)
    site.submit(range(1, 34))
    site.entered.acquire(timeout=10)
    assert titles(site) == ["The backlog is at its limit"]


def test_a_store_out_of_reach_is_a_problem_document(new_site: NewSite) -> None:
    site = new_site()

    def stats() -> Any:
        raise StoreUnavailable("the database is away")

    site.service.store.stats = stats  # type: ignore[method-assign]
    answer = client(site).get("/jobs/dashboard/data")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert client(site).get("/jobs/dashboard").status_code == 200


@pytest.mark.parametrize("query", ["ids=0", "ids=-1", "ids=x", "ids=1000001", ""])
def test_a_quote_needs_a_count(new_site: NewSite, query: str) -> None:
    assert client(new_site()).get(f"/jobs/dashboard/submit/quote?{query}").status_code == 422


def test_a_quote_is_that_of_the_api(new_site: NewSite) -> None:
    site = new_site()
    site.submit(range(1, 100), Priority.HIGH)
    body = {"ids": list(range(1, 51)), "priority": "LOW"}
    unknown = data(site, "/submit/quote?ids=50")  # nobody works
    assert unknown["stalled"]
    assert {one["estimated_start"] for one in unknown["quote"].values()} == {None}
    worked_elsewhere(site.service.store)
    assert data(site, "/submit/quote?ids=50")["quote"] == client(site).post("/jobs/quote", json=body).json


def test_filters_and_pages_are_those_of_the_listing(new_site: NewSite) -> None:
    site = new_site()
    for number in range(60):
        site.submit([1], list(Priority)[number % 3])
    first = data(site)
    second = data(site, f"/data?cursor={first['next_cursor']}")
    third = data(site, f"/data?cursor={second['next_cursor']}")
    assert [len(page["ingestions"]) for page in (first, second, third)] == [25, 25, 10]
    assert third["next_cursor"] is None
    low = data(site, "/data?priority=LOW&status=yet_to_start")["ingestions"]
    assert [one["priority"] for one in low] == ["LOW"] * 20
    assert data(site, "/data?status=failed")["ingestions"] == []
    assert client(site).get("/jobs/dashboard/data?status=lost").status_code == 422


def test_it_reads_a_database_too(new_site: NewSite, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    site = new_site(store=f"sqlite:///{tmp_path / 'queue.db'}", interval=0)
    made = site.submit(range(1, 10))
    (claim,) = site.service.store.claim(1)  # type: ignore[misc]
    bury(site.service.store, claim, REFUSED)
    found = data(site)
    assert [(alert["level"], alert["title"]) for alert in found["alerts"]] == [("error", "No worker")]
    assert (found["slots"], found["next_dispatch_at"]) == (0, None)
    assert {depth["drained_at"] for depth in found["priorities"].values()} == {None}
    assert data(site, f"/ingestions/{made.id}/data")["estimated_completion"] is None
    worked_elsewhere(site.service.store, abandoned=40)
    assert data(site)["stalled"]
    worked_elsewhere(site.service.store)
    found = data(site)
    assert (found["alerts"], found["slots"], found["waiting"]) == ([], 4, 2)
    assert found["next_dispatch_at"] is not None
    assert sum(found["hour"]["counts"]) == 1
    assert data(site, f"/ingestions/{made.id}/failed") == {"position": 0}
    assert data(site, f"/ingestions/{made.id}/data")["batches"][0]["error"]["message"] == REFUSED.message
    assert data(site, "/submit/quote?ids=3")["quote"]["LOW"]["batches_ahead"] == 2


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{}"])
def test_a_page_of_a_million_ids_takes_a_fifth_of_a_second_at_most(
    new_site: NewSite, tmp_path: Path, store: str
) -> None:
    site = new_site(store=store.format(tmp_path / "queue.db"), interval=0, max_ids=1_000_000)
    made = site.submit(range(1, 1_000_001))
    site.drive(20, end=lambda batch, _: REFUSED if batch.position % 5 == 0 else None)
    for query in ("", "?offset=333300", "?status=failed", "?status=yet_to_start&offset=300000"):
        page = f"/ingestions/{made.id}/data{query}"
        data(site, page)  # what is kept at hand is read once
        began = time.process_time()
        assert data(site, page)["batch_count"] == 333_334
        assert time.process_time() - began < 0.2, query


def test_counts_are_of_what_a_caller_may_see(new_site: NewSite) -> None:
    keys = {name: new_key(name, role) for name, role in (("mine", Role.READ), ("all", Role.OPERATE))}
    site = new_site(api_keys=",".join(str(key) for _, key in keys.values()))
    for owner in ("mine", "other", "other"):
        site.extension.submit([1], "LOW", owner=owner)
    for name, wanted in (("mine", 1), ("all", 3)):
        bearer = {"Authorization": f"Bearer {keys[name][0]}"}
        answer = client(site).get("/jobs/dashboard/data?status=failed", headers=bearer)
        assert answer.json
        assert answer.json["counts"]["yet_to_start"] == wanted


def test_each_instance_of_an_app_has_its_own() -> None:
    app = Flask("host")
    app.config.update(ONE_AUTOSTART=False, TWO_AUTOSTART=False)
    IngestionAPI(app, name="one", url_prefix="/one")
    two = IngestionAPI(app, name="two", url_prefix="/two")
    two.submit([1], "HIGH")
    browser = app.test_client()
    assert browser.get("/one/dashboard/data").json["waiting"] == 0
    assert browser.get("/two/dashboard/data").json["waiting"] == 1
    assert 'data-post="/two/queue/pause"' in browser.get("/two/dashboard").text
