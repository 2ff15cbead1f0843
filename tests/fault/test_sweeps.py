"""A sweep goes on where it was, whatever is killed in between."""

from __future__ import annotations

from contextlib import closing

import pytest

from app.core import BatchError
from app.outcomes import Outcome
from app.sql.store import SQLStore
from tests.fault.cluster import PATIENCE, Node
from tests.support.host import eventually
from tests.support.queueing import claimed, settings, submit

pytestmark = pytest.mark.realtime

COUNT = 1500


def test_kill_9_during_a_redrive_of_all_loses_and_repeats_nothing(address: str) -> None:
    boom = Outcome.bury(BatchError("ValueError", "boom"))
    with closing(SQLStore(settings(store=address, interval=0))) as store:
        for number in range(COUNT):
            submit(store, [number])
        for _ in range(COUNT // 100):
            store.end_together([(claim, boom) for claim in claimed(store, 100)])
        store.pause()
        environ = {
            "INGEST_STORE": address,
            "INGEST_INTERVAL": "0",
            "INGEST_STORE_POLL": "0.05",
            "INGEST_LEASE": "1",
            "INGEST_PORT": "0",
        }
        node = Node(environ)

        def acted() -> int:
            (sweep,) = store.sweeps.latest(1)
            return sweep.acted

        def waiting() -> int:
            return sum(depth.waiting for depth in store.stats().depths.values())

        try:
            assert node.ready.wait(PATIENCE)
            status, answer, _ = node.call("POST", "/ingestions/redrive", {"status": "failed"})
            assert (status, answer["matched"]) == (200, COUNT), answer
            stops = []
            for share in (0.1, 0.3, 0.5):
                eventually(lambda share=share: acted() > share * COUNT)
                node.kill()
                # PostgreSQL may still be at the last step of the process that is gone.
                eventually(lambda: acted() == waiting(), "a step and how far it is are one")
                stops.append(acted())
                node.start()
            assert stops[0] < COUNT, "killed too late to prove anything"
            eventually(lambda: store.sweeps.latest(1)[0].finished_at is not None)
            assert acted() == waiting() == COUNT
            assert [entry.action for entry in store.audits(10)] == ["redrive_all", "pause"]
        finally:
            node.kill()
