"""Service processes that share a store, a client that submits all the time, and the final account."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.verify import Violation, verify
from app.core.models import Status
from app.sql.store import SQLStore
from tests.fault import recorder
from tests.support.command import Command
from tests.support.queueing import settings

PATIENCE = 60.0
INTERVAL = 0.02
CONCURRENCY = 4


class Node:
    """One service process, as `python wsgi.py`, that can be killed, frozen and started again."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.ready = threading.Event()
        self.start()

    def start(self) -> None:
        self.ready.clear()
        self.port = 0
        self._command = Command("wsgi.py", environ=self._environ)
        self._listener = threading.Thread(target=self._listen, args=(self._command,))
        self._listener.start()

    def _listen(self, command: Command) -> None:
        try:
            line = command.wait_for("serving on")
        except AssertionError:
            # Killed before it was up; a caller that needs it times out in `ready` and says so.
            return
        self.port = int(line.rpartition(":")[2])
        self.ready.set()

    def signal(self, number: signal.Signals) -> None:
        self._command.signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self._command.__exit__(None)
        self._listener.join()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any], Any]:
        """Status, body and headers of an answer. Raises OSError or HTTPException if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port or 1, timeout=15)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        finally:
            connection.close()


@dataclass
class Account:
    """The outcome of a run. `doubled` counts repeated calls for the same batch."""

    accepted: int
    batches: int
    calls: int
    lost: int
    unknown: int
    doubled: int
    kills: int
    refused: int
    violations: list[Violation]


class Cluster:
    """`count` nodes on the store at `address`, under load from `with` until `drain`."""

    def __init__(self, address: str, folder: Path, count: int = 1, **chosen: Any) -> None:
        self._log = folder / "calls"
        self.settings = {
            "store": address,
            "interval": INTERVAL,
            "concurrency": CONCURRENCY,
            "lease": 1.0,
            "max_attempts": 1000,
            "dispatch_log": 1_000_000,
            "store_poll": 0.2,
            "store_timeout": 3.0,
            "max_pending": 40,
        } | chosen
        environ = {f"INGEST_{name.upper()}": str(value) for name, value in self.settings.items()} | {
            "INGEST_PROCESSOR": "tests.fault.recorder:record",
            "INGEST_PORT": "0",
            "RECORDER_LOG": str(self._log),
            "RECORDER_SECONDS": "0.03",
        }
        self.random = random.Random(4)
        self.kills = 0
        self.refused = 0
        self._ids = itertools.count(1)
        self._accepted: dict[str, list[int]] = {}
        self._over = threading.Event()
        self._torn_down = threading.Event()
        self._never = threading.Event()
        self.nodes = [Node(environ) for _ in range(count)]
        self._submitters = [threading.Thread(target=self._submit_all, args=(number,)) for number in range(3)]

    def __enter__(self) -> Cluster:
        for node in self.nodes:
            assert node.ready.wait(PATIENCE), "a node does not start"
        for submitter in self._submitters:
            submitter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._torn_down.set()
        for submitter in self._submitters:
            submitter.join()
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            node.kill()

    def pass_time(self, seconds: float) -> None:
        self._never.wait(seconds)

    def kill(self, which: int = 0) -> None:
        self.nodes[which].kill()
        self.kills += 1

    def restart(self, which: int = 0) -> None:
        self.nodes[which].start()

    def freeze(self, which: int, seconds: float) -> None:
        """SIGSTOP, then SIGCONT after some time."""
        self.nodes[which].signal(signal.SIGSTOP)
        self.pass_time(seconds)
        self.nodes[which].signal(signal.SIGCONT)

    def gather(self, count: int) -> None:
        """Start nothing until `count` more ingestions have been accepted, or the queue is full."""
        self._steer("pause")
        wanted, refused = len(self._accepted) + count, self.refused
        assert self._holds(lambda: len(self._accepted) >= wanted or self.refused > refused), "too little is accepted"
        self._steer("resume")

    def _steer(self, verb: str) -> None:
        def steered() -> bool:
            try:
                return self.nodes[0].call("POST", f"/queue/{verb}")[0] == 200
            except (OSError, http.client.HTTPException, ValueError):
                return False  # it is about to start

        assert self._holds(steered), f"nobody takes the {verb}"

    def _holds(self, condition: Callable[[], bool]) -> bool:
        """Returns whether a condition comes to hold within PATIENCE."""
        for _ in range(int(PATIENCE / 0.05)):
            if condition():
                return True
            self.pass_time(0.05)
        return False

    def drain(self) -> Account:
        """Stop submitting, wait until everything has ended, and count."""
        self._over.set()
        for submitter in self._submitters:
            submitter.join(PATIENCE)
            assert not submitter.is_alive(), "the last submission finds no taker"
        store = SQLStore(settings(**self.settings))
        try:
            self._wait_for_the_end(store)
            return self._count(store)
        finally:
            store.close()

    def _submit_all(self, first: int) -> None:
        """One submission after another, each repeated with its key until a process accepts it."""
        for number in itertools.count(first, len(self._submitters)):
            if self._over.is_set():
                return
            ids = list(itertools.islice(self._ids, self.random.randint(1, 10)))
            body = {"ids": ids, "priority": self.random.choice(["HIGH", "MEDIUM", "LOW"])}
            for attempt in range(10_000):
                if self._torn_down.is_set():
                    return
                node = self.nodes[(number + attempt) % len(self.nodes)]
                try:
                    status, answer, headers = node.call("POST", "/ingest", body, **{"Idempotency-Key": f"k{number}"})
                except (OSError, http.client.HTTPException, ValueError):
                    self.pass_time(0.05)
                    continue
                if status == 200:
                    self._accepted[answer["ingestion_id"]] = ids
                    break
                assert status == 503, answer
                assert int(headers["Retry-After"]) > 0
                self.refused += 1
                self.pass_time(0.05)
            self.pass_time(0.02)

    def _wait_for_the_end(self, store: SQLStore) -> None:
        def has_ended() -> bool:
            stats = store.stats()
            return not stats.running and not any(depth.waiting for depth in stats.depths.values())

        assert self._holds(has_ended), f"it does not end: {store.stats()}"

    def _count(self, store: SQLStore) -> Account:
        calls = Counter(ids for _, ids in recorder.read(self._log))
        seen = Counter(one for ids, count in calls.items() for one in ids for _ in range(count))
        starts = Counter(dispatch.batch_id for dispatch in store.dispatches(1_000_000))
        lost = batches = doubled = 0
        for ingestion_id, ids in self._accepted.items():
            ingestion, found = store.batches(ingestion_id)
            assert ingestion.status == Status.COMPLETED
            assert [one for batch in found for one in batch.ids] == ids
            results = dict(store.results(ingestion_id))
            lost += sum(seen[one] == 0 or results.get(one) != str(-one) for one in ids)
            for batch in found:
                batches += 1
                assert batch.attempt == starts[batch.id], "each attempt is in the log"
                called = seen[batch.ids[0]]
                assert 1 <= called <= batch.attempt, "no call without an attempt"
                doubled += called - 1
        known = {one for ids in self._accepted.values() for one in ids}
        assert len(store.ingestions(limit=1_000_000)) == len(self._accepted), "a key makes one ingestion"
        total = sum(calls.values())
        violations = verify(store.dispatches(1_000_000), interval=INTERVAL)
        return Account(
            len(self._accepted),
            batches,
            total,
            lost,
            len(seen.keys() - known),
            doubled,
            self.kills,
            self.refused,
            violations,
        )


def assert_sound(account: Account, in_flight: int) -> None:
    """Nothing is lost or invented, no more is doubled than was in flight, and rate and order are kept."""
    print(account)
    assert account.accepted > 0
    assert (account.lost, account.unknown) == (0, 0)
    assert account.doubled <= in_flight
    assert account.violations == []
