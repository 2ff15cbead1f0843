"""Redrive and cancel of all that match, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from app.core import BatchError, Priority, Status, Sweep, SweepFilter
from app.keys import Role
from tests.support.host import Host, eventually
from tests.support.queueing import bury, claimed
from tests.support.web import Callers


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    made = serve(interval=0, batch_size=1)
    made.app.testing = False  # In a host's test, run_until_idle alone carries sweeps out.
    return made


def failed(host: Host, **more: Any) -> str:
    one = host.submit([1, 2], **more)
    for claim in claimed(host.store, 2):
        bury(host.store, claim, BatchError("E", "boom"))
    return one.id


def finished(host: Host, sweep_id: str, **more: Any) -> dict[str, Any]:
    eventually(lambda: host.client.get(f"/sweeps/{sweep_id}", **more).json["state"] == "finished")
    document: dict[str, Any] = host.client.get(f"/sweeps/{sweep_id}", **more).json
    return document


def test_the_count_comes_first_and_changes_nothing(host: Host) -> None:
    made = [failed(host) for _ in range(3)]
    answer = host.client.post("/ingestions/redrive", json={"status": "failed", "since": 600, "dry_run": True})
    assert answer.json == {"ingestions": 3, "batches": 6}
    assert {host.store.get(one).status for one in made} == {Status.FAILED}
    assert host.client.get("/sweeps").json == {"sweeps": []}


def test_all_that_match_are_redriven_in_the_background(host: Host) -> None:
    made = [failed(host) for _ in range(60)]
    other = failed(host, priority=Priority.LOW)
    answer = host.client.post("/ingestions/redrive", json={"status": "failed", "priority": "MEDIUM"})
    assert (answer.status_code, answer.json["matched"]) == (200, 60)
    done = finished(host, answer.json["sweep_id"])
    assert (done["acted"], done["verb"], done["filter"]) == (60, "redrive", {"status": "failed", "priority": "MEDIUM"})
    assert {host.store.get(one).status for one in made} == {Status.YET_TO_START}
    assert host.store.get(other).status is Status.FAILED
    assert host.client.get("/sweeps").json["sweeps"] == [done]


def test_all_that_match_are_cancelled_and_their_ends_are_told(host: Host) -> None:
    made = [host.submit([1]).id for _ in range(3)]
    answer = host.client.post("/ingestions/cancel", json={"status": "yet_to_start"})
    assert finished(host, answer.json["sweep_id"])["acted"] == 3
    assert {host.store.get(one).status for one in made} == {Status.CANCELLED}
    for one in made:
        host.heard.until_finished(one)


def test_a_repeated_request_is_carried_out_once(host: Host) -> None:
    one = failed(host)
    body, key = {"status": "failed", "since": 600}, {"Idempotency-Key": "night"}
    first = host.client.post("/ingestions/redrive", json=body, headers=key).json
    finished(host, first["sweep_id"])
    for claim in claimed(host.store, 2):
        bury(host.store, claim, BatchError("E", "boom"))
    host.clock.advance(5)
    again = host.client.post("/ingestions/redrive", json=body, headers=key).json
    assert again["sweep_id"] == first["sweep_id"]
    assert host.store.get(one).status is Status.FAILED
    other = host.client.post("/ingestions/cancel", json={"owner": "web"}, headers=key)
    assert other.status_code == 422
    assert len(host.client.get("/sweeps").json["sweeps"]) == 1


def test_one_that_a_stop_broke_off_goes_on_with_the_next_start(host: Host) -> None:
    made = [failed(host) for _ in range(3)]
    host.service.stop()
    left = str(uuid4())
    host.store.sweeps.add(Sweep(left, "redrive", SweepFilter(Status.FAILED), None, None, "", 0.0, 3))
    host.service.start()
    assert finished(host, left)["acted"] == 3
    assert {host.store.get(one).counts.failed for one in made} == {0}


def test_another_sites_page_starts_nothing(host: Host) -> None:
    one = failed(host)
    answer = host.client.post(
        "/ingestions/redrive", json={"status": "failed"}, headers={"Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert host.store.get(one).status is Status.FAILED
    assert host.client.get("/sweeps").json == {"sweeps": []}


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("redrive", {}, "#"),
        ("redrive", {"dry_run": True}, "#"),
        ("redrive", [], "#"),
        ("redrive", {"stauts": "failed"}, "#/stauts"),
        ("redrive", {"status": "broken"}, "#/status"),
        ("redrive", {"status": ["failed"]}, "#/status"),
        ("redrive", {"priority": "TOP"}, "#/priority"),
        ("redrive", {"owner": 5}, "#/owner"),
        ("redrive", {"since": "soon"}, "#/since"),
        ("redrive", {"until": -5}, "#/until"),
        ("redrive", {"status": "failed", "dry_run": "yes"}, "#/dry_run"),
        ("cancel", {"status": "failed"}, "#/status"),
    ],
)
def test_what_is_wrong_is_named(host: Host, verb: str, body: Any, pointer: str) -> None:
    answer = host.client.post(f"/ingestions/{verb}", json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_it_takes_a_key_that_may_operate_and_says_whose_it_was(serve: Callable[..., Host]) -> None:
    callers = Callers(("one", Role.SUBMIT), ("boss", Role.OPERATE))
    host = serve(interval=0, batch_size=1, api_keys=callers.keys)
    host.app.testing = False
    failed(host, owner="one")
    one, boss = ({"Authorization": f"Bearer {callers.texts[name]}"} for name in ("one", "boss"))
    assert host.client.post("/ingestions/redrive", json={"owner": "one"}, headers=one).status_code == 403
    answer = host.client.post("/ingestions/redrive", json={"owner": "one"}, headers=boss)
    assert finished(host, answer.json["sweep_id"], headers=boss)["by"] == "boss"
    assert host.client.get("/sweeps", headers=one).status_code == 403


@pytest.mark.parametrize("owner", ["a\0", "\ud800", "x" * 256, 5, None])
def test_an_owner_that_nobody_can_have_is_422(host: Host, owner: Any) -> None:
    for verb in ("redrive", "cancel"):
        answer = host.client.post(f"/ingestions/{verb}", json={"owner": owner, "dry_run": True})
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "#/owner")
    assert host.client.get("/failures?owner=%00").status_code == 422


def test_a_sweep_is_found_by_its_id_however_that_is_written(host: Host) -> None:
    failed(host)
    sweep_id = host.client.post("/ingestions/redrive", json={"failed": True}).json["sweep_id"]
    assert host.client.get(f"/sweeps/{sweep_id.upper()}").json["sweep_id"] == sweep_id
    assert host.client.get("/sweeps/%00").status_code == 404
