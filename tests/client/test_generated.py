"""A client that openapi-python-client generates from the description, against the service that it describes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

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
    settings = {"interval": 0, "api_keys": CALLERS.keys, "key_quota": 1000}
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
