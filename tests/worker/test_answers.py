"""A processor that answers for some ids, or fails because of one: what its neighbours keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import Failed, PermanentError
from app.core import BatchError, Status
from tests.support.host import Host

Serve = Callable[..., Host]
GONE = BatchError("Failed", "no such record")


def known(host: Host, ingestion_id: str) -> dict[int, Any]:
    return dict(host.ingestion.results(ingestion_id, failed=True))


@pytest.mark.parametrize("as_list", [True, False])
def test_an_id_may_fail_beside_others(serve: Serve, as_list: bool) -> None:
    def processor(ids: Sequence[int]) -> Any:
        found: dict[int, Any] = {one: Failed("no such record") if one == 20 else f"record {one}" for one in ids}
        return list(found.values()) if as_list else found

    host = serve(processor)
    ingestion = host.submit([10, 20, 30])
    assert host.finished(ingestion.id).status is Status.FAILED
    assert known(host, ingestion.id) == {10: '"record 10"', 20: GONE, 30: '"record 30"'}
    (failed,) = host.heard.all("failed")
    assert failed["error"] == ("Failed", "1 of 3 ids failed; the first: no such record")
    assert not host.heard.all("completed")


def test_the_results_tell_of_failures_only_if_asked_to(serve: Serve) -> None:
    host = serve(lambda ids: {ids[0]: Failed('"no"\n')})
    ingestion = host.submit([1, 2])
    host.finished(ingestion.id)
    path = f"/results/{ingestion.id}"
    assert host.client.get(path).text == '{"id":2,"data":null}\n'
    lines = [json.loads(line) for line in host.client.get(f"{path}?include=failed").text.splitlines()]
    assert lines == [{"id": 1, "error": {"type": "Failed", "message": '"no"\n'}}, {"id": 2, "data": None}]
    refused = host.client.get(f"{path}?include=all")
    assert refused.status_code == 422
    assert "include must be one of failed" in refused.text


def test_bad_ids_take_no_neighbours_along(serve: Serve) -> None:
    bad = set(range(3, 103, 3))

    def processor(ids: Sequence[int]) -> dict[int, str]:
        if bad.intersection(ids):
            raise PermanentError("no such record")
        return dict.fromkeys(ids, "fine")

    host = serve(processor, interval=0, split_failed=True)
    ingestion = host.submit(range(1, 103))
    assert host.finished(ingestion.id).counts.failed == 34
    found = known(host, ingestion.id)
    assert {one for one, answer in found.items() if isinstance(answer, BatchError)} == bad
    assert len(found) == 102
    assert len(host.heard.all("started")) == 34 * 4
    # Another thread may still be telling of its batch while that of the last one tells of the end.
    assert len(host.heard.until("failed", 34)) == 34
    # The two parts that are fine end no batch, and neither does the first bad id's alone.
    assert not host.heard.all("completed")


def test_an_id_that_goes_alone_has_one_start(serve: Serve) -> None:
    def processor(ids: Sequence[int]) -> None:
        raise RuntimeError(f"no {ids}")

    host = serve(processor, interval=0, split_failed=True, max_attempts=2, backoff=0)
    ingestion = host.submit([1, 2, 3])
    host.finished(ingestion.id)
    assert [one["batch"].ids for one in host.heard.all("started")] == [[1, 2, 3], [1, 2, 3], [1], [2], [3]]
    # Its second failure splits it; each id but the last leaves others to go, and nothing is waited for.
    assert [one["delay"] for one in host.heard.all("retried")] == [0.0] * 4
    assert known(host, ingestion.id)[2] == ("RuntimeError", "no [2]")
    assert [one["error"].message for one in host.heard.all("failed")] == ["3 of 3 ids failed; the first: no [1]"]


def test_a_redrive_asks_only_for_what_failed(serve: Serve) -> None:
    asked: list[list[int]] = []

    def processor(ids: list[int]) -> Any:
        asked.append(list(ids))
        return {one: Failed("not yet") if one == 2 and len(asked) == 1 else "fine" for one in ids}

    host = serve(processor, interval=0)
    ingestion = host.submit([1, 2, 3])
    host.finished(ingestion.id)
    host.ingestion.redrive(ingestion.id)
    host.heard.until("completed")
    assert asked == [[1, 2, 3], [2]]
    assert list(host.ingestion.results(ingestion.id)) == [(1, '"fine"'), (2, '"fine"'), (3, '"fine"')]
