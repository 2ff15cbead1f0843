"""Real threads and real time: many clients submit while the worker drains without a limit."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from app.core.clock import SystemClock
from app.core.models import Status
from tests.support.host import BOUND, Host

Serve = Callable[..., Host]

CLIENTS = 32
EACH = 8


def test_nothing_is_lost_or_doubled(serve: Serve) -> None:
    """32 clients over HTTP; every id is its own, so each has to be seen once."""
    lock, seen = threading.Lock(), Counter[int]()

    def processor(ids: Sequence[int]) -> list[int]:
        with lock:
            seen.update(ids)
        return [-one for one in ids]

    host = serve(processor, clock=SystemClock(), autostart=True, interval=0, concurrency=4, max_pending=100_000)
    together = threading.Barrier(CLIENTS, timeout=BOUND)

    def client(number: int) -> dict[str, list[int]]:
        draw, http, accepted = random.Random(number), host.client, {}
        together.wait()
        for turn in range(EACH):
            first = 1 + 1000 * (number * EACH + turn)
            ids = list(range(first, first + draw.randint(1, 20)))
            response = http.post("/ingest", json={"ids": ids, "priority": draw.choice(["HIGH", "MEDIUM", "LOW"])})
            assert response.status_code == 200, response.text
            accepted[response.json["ingestion_id"]] = ids
            assert http.get(response.headers["Location"]).status_code == 200
            assert http.get("/queue").status_code == 200
        return accepted

    with ThreadPoolExecutor(CLIENTS) as pool:
        accepted = {key: ids for one in pool.map(client, range(CLIENTS)) for key, ids in one.items()}
    assert len(accepted) == CLIENTS * EACH
    host.heard.until_finished(*accepted)

    assert seen == Counter(one for ids in accepted.values() for one in ids)
    for ingestion_id, ids in accepted.items():
        document = host.client.get(f"/status/{ingestion_id}").json
        assert document["status"] == "completed"
        assert [one for batch in document["batches"] for one in batch["ids"]] == ids
        lines = [json.loads(line) for line in host.client.get(f"/results/{ingestion_id}").text.splitlines()]
        assert lines == [{"id": one, "data": -one} for one in ids]
    batches = [one["batch"].id for one in host.heard.all("completed")]
    assert len(batches) == len(set(batches)) == sum(-(-len(ids) // 3) for ids in accepted.values())
    assert Counter(one["ingestion"].id for one in host.heard.all("finished")) == Counter(accepted.keys())
    queue = host.client.get("/queue").json
    assert (queue["waiting"], queue["running"], queue["waiting_on"]) == (0, 0, "empty")


def test_nor_while_some_fail_and_some_are_cancelled(serve: Serve) -> None:
    """Clients cancel half of theirs, and every fifth attempt fails; each ingestion ends once, with all its batches."""
    lock, calls = threading.Lock(), 0

    def processor(_: Sequence[int]) -> None:
        nonlocal calls
        with lock:
            calls += 1
            fails = not calls % 5
        if fails:
            raise OSError("now and then")

    host = serve(processor, clock=SystemClock(), autostart=True, interval=0, backoff=0, max_attempts=100)
    together = threading.Barrier(16, timeout=BOUND)

    def client(number: int) -> list[str]:
        accepted = []
        together.wait()
        for turn in range(8):
            ingestion = host.submit(range(1, 31), ["HIGH", "LOW"][turn % 2])
            accepted.append(ingestion.id)
            if (number + turn) % 2:
                response = host.client.post(f"/status/{ingestion.id}/cancel")
                assert response.status_code in (200, 409)
        return accepted

    with ThreadPoolExecutor(16) as pool:
        accepted = [one for some in pool.map(client, range(16)) for one in some]
    host.heard.until_finished(*accepted)
    assert Counter(one["ingestion"].id for one in host.heard.all("finished")) == Counter(accepted)
    for ingestion_id in accepted:
        ingestion, batches = host.service.store.batches(ingestion_id)
        assert ingestion.status in (Status.COMPLETED, Status.CANCELLED)
        assert sum(ingestion.counts) == len(batches) == 10
        assert {batch.status for batch in batches} <= {Status.COMPLETED, Status.CANCELLED}
        assert len(list(host.ingestion.results(ingestion_id))) == 3 * ingestion.counts.completed
    completed = Counter(one["batch"].id for one in host.heard.all("completed"))
    assert set(completed.values()) == {1}


@pytest.mark.realtime
def test_the_rate_holds_while_clients_submit(serve: Serve) -> None:
    """No two starts are closer than the interval, by the clock that the worker goes by, and it wakes by itself."""
    host = serve(lambda ids: list(ids), clock=SystemClock(), autostart=True, interval=0.01, batch_size=1)
    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(lambda _: host.submit(range(1, 6)).id, range(8)))
    host.heard.until_finished(*accepted)
    starts = [one["started_at"] for one in host.client.get("/dispatches").json["dispatches"]]
    assert len(starts) == 40
    assert min(after - before for before, after in pairwise(starts)) >= 0.01 - 1e-6
