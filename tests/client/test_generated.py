"""A client that openapi-python-client generates from the description, against the service that it describes."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app import PermanentError
from app.core.clock import SystemClock
from app.keys import Role
from tests.support.cli import Service
from tests.support.host import Host
from tests.support.web import Callers

CALLERS = Callers(("operator", Role.OPERATE))
GENERATED = "generated_from_the_description"


def process(ids: list[int]) -> dict[int, Any]:
    if 13 in ids:
        raise PermanentError("13 is bad luck")
    return {one: {"square": one * one} for one in ids}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    keys = {"api_keys": CALLERS.keys, "key_quota": 1000}
    settings = {"interval": 0, "limits": "1000/s", "attempts_kept": 3, **keys}
    service = Service(Host(process, clock=SystemClock(), url_prefix="/in", **settings))
    yield service
    service.close()
    service.host.ingestion.stop(0)


@pytest.fixture(scope="module")
def operations(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The modules of the generated client by the name of their operation."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yml").write_text("post_hooks: []\n")
    words = ["generate", "--url", f"{service.url}/in/openapi.json", "--config", folder / "config.yml"]
    words += ["--meta", "none", "--output-path", folder / GENERATED, "--fail-on-warning"]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *words], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    files = [file for file in (folder / GENERATED / "api").glob("*/*.py") if file.stem != "__init__"]
    yield {file.stem: import_module(f"{GENERATED}.api.{file.parent.name}.{file.stem}") for file in files}
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == GENERATED]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def models(operations: dict[str, Any]) -> Any:
    assert operations
    return import_module(f"{GENERATED}.models")


@pytest.fixture
def client(service: Service, operations: dict[str, Any]) -> Any:
    assert operations
    made = import_module(f"{GENERATED}.client")
    return made.AuthenticatedClient(
        base_url=f"{service.url}/in", token=CALLERS.texts["operator"], raise_on_unexpected_status=True
    )


@pytest.fixture
def submitted(service: Service, operations: dict[str, Any], models: Any, client: Any) -> Callable[..., str]:
    def submit(*ids: int, **more: Any) -> str:
        body = models.Submission(ids=list(ids), priority=models.SubmissionPriority.HIGH, **more)
        accepted = operations["submit"].sync(client=client, body=body, idempotency_key=f"key {ids}")
        assert isinstance(accepted, models.Accepted), accepted
        service.host.heard.until_finished(str(accepted.ingestion_id))
        return str(accepted.ingestion_id)

    return submit


def test_it_has_every_operation(service: Service, operations: dict[str, Any]) -> None:
    paths = service.host.client.get("/in/openapi.json").json["paths"]
    assert len(operations) == sum(map(len, paths.values()))
    assert {*re.findall(r'operations\["(\w+)"\]\.', Path(__file__).read_text())} == operations.keys(), "not tried here"


def test_results_are_lines_of_json(operations: dict[str, Any], client: Any, submitted: Callable[..., str]) -> None:
    text = operations["get_results"].sync(submitted(1, 2), client=client)
    assert list(map(json.loads, text.splitlines())) == [
        {"id": 1, "data": {"square": 1}},
        {"id": 2, "data": {"square": 4}},
    ]


def test_a_status_and_its_batches(
    operations: dict[str, Any], models: Any, client: Any, submitted: Callable[..., str]
) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    ingestion_id = submitted(1, 2, 3, 13, deadline=deadline)
    status = operations["get_status"].sync(ingestion_id, client=client)
    assert status.status is models.StatusStatus.FAILED
    assert status.finished_at >= status.created_at
    assert [batch.ids for batch in status.batches] == [[1, 2, 3], [13]]
    assert status.batches[1].error.message == "13 is bad luck"
    listed = operations["list_ingestions"].sync(client=client, failed=models.ListIngestionsFailed.TRUE, limit=1)
    assert str(listed.ingestions[0].ingestion_id) == ingestion_id
    tag = operations["get_status"].sync_detailed(ingestion_id, client=client).headers["ETag"]
    again = operations["get_status"].sync_detailed(ingestion_id, client=client, if_none_match=tag)
    assert again.status_code == 304
    assert operations["redrive"].sync(ingestion_id, client=client).counts.completed == 1


def test_the_queue_is_steered_and_watched(operations: dict[str, Any], models: Any, client: Any) -> None:
    body = models.Submission(ids=[7], priority=models.SubmissionPriority.LOW)
    paused = operations["pause"].sync(client=client)
    assert paused.waiting_on.value == "paused"
    try:
        accepted = operations["submit"].sync(client=client, body=body)
        assert operations["get_queue"].sync(client=client).next_[0].ids == [7]
        assert operations["quote"].sync(client=client, body=body).low.estimated_start is None
        cancelled = operations["cancel"].sync(str(accepted.ingestion_id), client=client)
        assert cancelled.counts.cancelled == 1
    finally:
        operations["resume"].sync(client=client)
    log = operations["list_dispatches"].sync(client=client, limit=5)
    assert (log.interval, log.burst) == (0, 1)
    assert "ingestion_paused" in operations["get_metrics"].sync(client=client)
    assert operations["is_live"].sync(client=client).worker is models.HealthWorker.RUNNING
    assert operations["is_ready"].sync(client=client).status == "ok"


def test_what_failed_is_found_and_sent_again(
    operations: dict[str, Any], models: Any, client: Any, submitted: Callable[..., str]
) -> None:
    ingestion_id = submitted(13, 17)
    (group,) = operations["list_failures"].sync(client=client).groups
    assert (group.sample.ingestion_id, group.sample.error.message) == (UUID(ingestion_id), "13 is bad luck")
    text = operations["list_failed_ids"].sync(client=client, group=group.group)
    failed = [(line["ingestion_id"], line["id"]) for line in map(json.loads, text.splitlines())]
    assert {(ingestion_id, 13), (ingestion_id, 17)} <= {*failed}
    (found,) = operations["where"].sync("17", client=client).found
    assert (found.ingestion.ingestion_id, found.result.error.message) == (UUID(ingestion_id), "13 is bad luck")
    (attempt,) = operations["list_attempts"].sync(ingestion_id, client=client).attempts
    assert attempt.error.message == "13 is bad luck"
    counted = operations["redrive_all"].sync(client=client, body=models.RedriveAll(group=group.group, dry_run=True))
    assert isinstance(counted, models.SweepCount)
    assert counted.ingestions >= 1
    which = models.RedriveAll(group=group.group, status=models.RedriveAllStatus.FAILED)
    sweep = operations["redrive_all"].sync(client=client, body=which, idempotency_key="again")
    assert isinstance(sweep, models.Sweep)
    assert operations["get_sweep"].sync(str(sweep.sweep_id), client=client).filter_.to_dict() == which.to_dict()
    assert operations["list_sweeps"].sync(client=client, limit=1).sweeps[0].sweep_id == sweep.sweep_id
    untold = operations["redrive_callback"].sync(ingestion_id, client=client)
    assert (type(untold), untold.status) == (models.Problem, 409)


def test_what_waits_is_moved_and_cancelled_and_the_pace_changed(
    service: Service, operations: dict[str, Any], models: Any, client: Any
) -> None:
    operations["pause"].sync(client=client)
    try:
        body = models.Submission(ids=[21], priority=models.SubmissionPriority.LOW)
        ingestion_id = str(operations["submit"].sync(client=client, body=body).ingestion_id)
        up = models.Move(priority=models.MovePriority.HIGH)
        moved = operations["move"].sync(ingestion_id, client=client, body=up)
        assert moved.priority is models.StatusPriority.HIGH
        waiting = models.CancelAll(status=models.CancelAllStatus.YET_TO_START)
        assert operations["cancel_all"].sync(client=client, body=waiting).verb is models.SweepVerb.CANCEL
        service.host.heard.until_finished(ingestion_id)
        assert operations["end_hold"].sync(client=client).waiting_on.value == "paused"
    finally:
        operations["resume"].sync(client=client)
    slower = models.Rate(limits=models.RateLimitsType0.from_dict({"1000/s": "500/s"}))
    assert operations["change_rate"].sync(client=client, body=slower).rate.changed is True
    assert operations["reset_rate"].sync(client=client).rate.changed is False
    one = models.Concurrency(concurrency=1)
    assert operations["change_concurrency"].sync(client=client, body=one).concurrency.each == 1
    assert operations["reset_concurrency"].sync(client=client).concurrency.changed is False
    done = [entry.action.value for entry in operations["get_audit"].sync(client=client, limit=5).entries]
    assert done == ["change_concurrency", "change_concurrency", "change_rates", "change_rates", "resume"]


def test_it_signs_in_and_out(operations: dict[str, Any], models: Any, client: Any) -> None:
    assert operations["who_am_i"].sync(client=client).role is models.CallerRole.OPERATE
    caller = operations["sign_in"].sync(client=client, body=models.Login(key=CALLERS.texts["operator"]))
    assert caller.name == "operator"
    assert operations["sign_out"].sync_detailed(client=client).status_code == 204
    assert operations["get_description"].sync(client=client)["openapi"] == "3.1.0"


def test_a_refusal_is_a_problem(operations: dict[str, Any], models: Any, client: Any) -> None:
    body = models.Submission(ids=[], priority=models.SubmissionPriority.LOW)
    refused = operations["submit"].sync(client=client, body=body)
    assert isinstance(refused, models.Problem)
    assert refused.errors[0].pointer == "#/ids"
    missing = operations["get_results"].sync("00000000-0000-4000-8000-000000000000", client=client)
    assert (type(missing), missing.status) == (models.Problem, 404)


def test_with_asyncio_too(operations: dict[str, Any], client: Any, submitted: Callable[..., str]) -> None:
    ingestion_id = submitted(5)

    async def fetch() -> str:
        async with client:
            text: str = await operations["get_results"].asyncio(ingestion_id, client=client)
            return text

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, fetch()).result() == '{"id":5,"data":{"square":25}}\n'
