"""An end is told whatever is killed in between, and by one process among several."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from app.callbacks import Unsent
from app.core.models import Status
from app.sql.store import SQLStore
from tests.fault.cluster import PATIENCE, Node
from tests.support.host import eventually
from tests.support.queueing import settings
from tests.support.sink import SECRET, Sink

pytestmark = pytest.mark.realtime


class Nodes:
    """Processes that share a store and tell one sink."""

    def __init__(self, address: str, sink: Sink, count: int = 1, **chosen: str) -> None:
        self.store = SQLStore(settings(store=address))
        environ = {
            "INGEST_STORE": address,
            "INGEST_INTERVAL": "0",
            "INGEST_STORE_POLL": "0.1",
            "INGEST_LEASE": "1",
            "INGEST_MAX_ATTEMPTS": "1000",
            "INGEST_PORT": "0",
            "INGEST_WEBHOOK_URL": f"{sink.url}/in",
            "INGEST_WEBHOOK_SECRET": SECRET,
        }
        self.all = [Node(environ | chosen) for _ in range(count)]

    def __enter__(self) -> Nodes:
        for node in self.all:
            assert node.ready.wait(PATIENCE), "a node does not start"
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.all:
            node.kill()
        self.store.close()

    def submit(self, which: int = 0) -> str:
        status, answer, _ = self.all[which].call("POST", "/ingest", {"ids": [1, 2], "priority": "HIGH"})
        assert status == 200, answer
        return str(answer["ingestion_id"])

    def ended(self, ingestion_id: str) -> bool:
        return self.store.get(ingestion_id).status is Status.COMPLETED


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


def test_kill_9_between_the_end_and_the_sending(address: str, sink: Sink) -> None:
    """The first to be told says nothing, so that the others wait behind it; then their process is killed."""
    sink.answer = lambda exchange: exchange.hang() and None
    with Nodes(address, sink, INGEST_WEBHOOK_TIMEOUT="30") as nodes:
        made = [nodes.submit() for _ in range(5)]
        sink.until(1)
        eventually(lambda: all(map(nodes.ended, made)))
        nodes.all[0].kill()
        assert nodes.store.outbox.unsent() == Unsent(5, 0)
        sink.answer = lambda exchange: exchange.reply(status=204)
        nodes.all[0].start()
        assert nodes.all[0].ready.wait(PATIENCE)
        # The one that was under way has its lease still, and is told once that is over.
        told = sink.until(5)
        assert {one.body["data"]["ingestion_id"] for one in told} == set(made)
        eventually(lambda: nodes.store.outbox.unsent() == Unsent(1, 0))
        nodes.store.outbox.redrive(told[0].body["data"]["ingestion_id"])
        again = sink.until(6)[5]
        assert (again.id, again.body) == (told[0].id, told[0].body)
        eventually(lambda: nodes.store.outbox.unsent() == Unsent(0, 0))


def test_of_several_processes_one_tells_each_end(address: str, sink: Sink) -> None:
    with Nodes(address, sink, 2) as nodes:
        made: list[str] = []

        def submit(which: int) -> None:
            made.extend(nodes.submit(which) for _ in range(30))

        threads = [threading.Thread(target=submit, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sink.until(len(made))
        eventually(lambda: nodes.store.outbox.unsent() == Unsent(0, 0))
        counts = Counter(one.body["data"]["ingestion_id"] for one in sink.told)
        assert counts == dict.fromkeys(made, 1)


@pytest.mark.soak
def test_killed_over_and_over_every_end_is_told(address: str, sink: Sink) -> None:
    never = threading.Event()
    with Nodes(address, sink, 2, INGEST_WEBHOOK_TIMEOUT="0.2") as nodes:
        made = []
        for number in range(4):
            which = number % 2
            made += [nodes.submit(which) for _ in range(5)]
            never.wait(0.02 * number)
            nodes.all[which].kill()
            nodes.all[which].start()
            assert nodes.all[which].ready.wait(PATIENCE)
        eventually(lambda: all(map(nodes.ended, made)))
        for one in made:
            nodes.store.outbox.redrive(one)  # those whose attempt was killed wait for their lease
        eventually(lambda: nodes.store.outbox.unsent() == Unsent(0, 0))
        assert {one.body["data"]["ingestion_id"] for one in sink.told} == set(made)
        assert len({one.id for one in sink.told}) == len(made), "however often it is sent, it is one callback"
