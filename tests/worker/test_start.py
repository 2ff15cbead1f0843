"""Starting, once and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.core.models import Status
from tests.support.host import BOUND, Host
from tests.support.working import in_a_thread, joined

Serve = Callable[..., Host]


def test_many_at_once_start_one(serve: Serve) -> None:
    host = serve(name="twins", autostart=False)
    together = threading.Barrier(8, timeout=BOUND)

    def start() -> None:
        together.wait()
        host.ingestion.start()

    for thread in [in_a_thread(start) for _ in range(8)]:
        joined(thread)
    (thread,) = (one for one in threading.enumerate() if one.name == "twins-worker")
    assert thread.daemon


def test_stop_and_start_by_turns_leaves_one(serve: Serve) -> None:
    host = serve(name="turns", interval=0)
    begun = time.monotonic()
    for _ in range(50):
        host.ingestion.start()
        host.ingestion.stop(60)
    host.ingestion.start()
    assert [thread.name for thread in threading.enumerate()].count("turns-worker") == 1
    assert host.finished(host.submit([1]).id).status == Status.COMPLETED
    assert time.monotonic() - begun < 40  # no stop waits for its last call
