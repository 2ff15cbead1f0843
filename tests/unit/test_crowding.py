"""Batches that end at once: more threads than one would only be in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from app import ingestion_finished
from app.memorystore import MemoryStore
from app.store import Wait
from tests.support.clock import START
from tests.support.host import BOUND, Host
from tests.support.queueing import settings, submit


class StoppedClock:
    """Whoever asks for the time while it is `stopped` waits, and a MemoryStore asks with its lock held."""

    def __init__(self) -> None:
        self.stopped = False
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def now(self) -> float:
        if self.stopped:
            self.asked.set()
            assert self.go_on.wait(BOUND)
        return START

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(seconds)


def test_a_claim_that_is_not_patient_never_waits_for_others() -> None:
    clock = StoppedClock()
    store = MemoryStore(settings(), clock)
    submit(store, range(1, 4))
    clock.stopped = True
    other = threading.Thread(target=store.prune)
    other.start()
    assert clock.asked.wait(BOUND)

    assert store.claim(1, patient=False) == Wait(None, "busy")

    clock.stopped = False
    clock.go_on.set()
    other.join(BOUND)
    assert not isinstance(store.claim(1, patient=False), Wait)


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
