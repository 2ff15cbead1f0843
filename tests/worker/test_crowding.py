"""Batches that end at once: more than one thread would only get in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from app import ingestion_finished
from tests.support.host import BOUND, Host


def test_batches_that_end_at_once_share_a_few_threads(serve: Callable[..., Host]) -> None:
    batches, threads = 5000, set[threading.Thread]()

    def process(_: Sequence[int]) -> None:
        threads.add(threading.current_thread())

    host = serve(process, interval=0, concurrency=8)
    ended = threading.Event()

    def finished(_: object, **__: object) -> None:
        ended.set()

    with ingestion_finished.connected_to(finished):
        host.ingestion.submit(range(1, 3 * batches + 1), "HIGH")
        assert ended.wait(BOUND)
    assert len(threads) < batches / 10


def test_one_that_takes_longer_after_many_quick_ones_does_not_hold_up_the_rest(serve: Callable[..., Host]) -> None:
    met, count = threading.Barrier(4, timeout=BOUND), 300

    def process(ids: Sequence[int]) -> None:
        if ids[0] > 3 * count:
            met.wait()  # Passes only when four of them run at once.

    host = serve(process, interval=0, concurrency=4)
    one = host.ingestion.submit(range(1, 3 * count + 1), "HIGH")
    four = host.ingestion.submit(range(3 * count + 1, 3 * count + 13), "LOW")
    host.heard.until_finished(one.id, four.id)
    assert host.ingestion.get(four.id).counts.completed == 4
