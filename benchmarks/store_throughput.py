"""Claims and submits per second of the SQL store, with 1, 2 and 4 processes on one database.

    python -m benchmarks.store_throughput [--seconds 5] [sqlite] [postgresql]

No HTTP and no rate limit: only the store, as the worker and the routes call it. A claim is counted with its ack; each
process runs `--limit` batches at once, each in a thread that acks it and claims the next in one step, as a worker's
threads do. Submits come from `--threads` threads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

from app.config import Settings
from app.core import Wait
from app.core.models import Priority
from app.outcomes import Outcome
from app.sql.store import SQLStore
from app.store import Submission

PROCESSES = (1, 2, 4)
RESULTS = ["true"] * 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", nargs="*", metavar="DATABASE", help="sqlite, postgresql (default: both)")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--threads", type=int, default=4)
    chosen = parser.parse_args()
    print("| database | processes | submits/s, 1 thread | submits/s | claims+acks/s, one at a time | claims+acks/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for database in chosen.databases or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as folder:
            address, stop = f"sqlite:///{folder}/ingest.db", lambda: None
            if database == "postgresql":
                from tests.support.postgres import Postgres

                server = Postgres()
                address, stop = server.url, server.stop
            try:
                for count in PROCESSES:
                    figures = [
                        measure(address, count, chosen.seconds, submit_all, 1),
                        measure(address, count, chosen.seconds, submit_all, chosen.threads),
                        measure(address, count, chosen.seconds, claim_all, 1),
                        measure(address, count, chosen.seconds, claim_all, chosen.limit),
                    ]
                    print(
                        f"| {database} | {count} | " + " | ".join(f"{one:,.0f}" for one in figures) + " |", flush=True
                    )
            finally:
                stop()


def measure(address: str, count: int, seconds: float, work: Callable[..., int], width: int) -> float:
    """Total rate per second over all processes."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(count + 1), context.Queue()
    arguments = (work, address, seconds, width, start, done)
    processes = [context.Process(target=in_process, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    store = open_store(address)
    while isinstance(store.claim(1), Wait):
        fill(store)
    fill(store)
    store.close()
    start.wait()
    total = sum(done.get() for _ in processes)
    for process in processes:
        process.join()
    return total / seconds


def in_process(work: Callable[..., int], address: str, seconds: float, width: int, start: Barrier, done: Any) -> None:
    store = open_store(address)
    store.ping()
    start.wait()
    done.put(work(store, time.monotonic() + seconds, width))
    store.close()


def open_store(address: str) -> SQLStore:
    keys = {
        "INGEST_STORE": address,
        "INGEST_INTERVAL": 0,
        "INGEST_MAX_PENDING": 0,
        "INGEST_STORE_POOL": 10,
        "INGEST_STORE_TIMEOUT": 30,
    }
    return SQLStore(Settings.read(keys))


def fill(store: SQLStore) -> None:
    """More batches than any run claims, in one ingestion per priority."""
    from array import array

    for priority in Priority:
        store.add(Submission(array("q", range(300_000)), priority))


def submit_all(store: SQLStore, until: float, threads: int) -> int:
    """Submissions of 5 ids, from several threads."""
    from array import array

    ids, counts = array("q", range(1, 6)), [0] * threads

    def run(number: int) -> None:
        while time.monotonic() < until:
            store.add(Submission(ids, Priority.MEDIUM))
            counts[number] += 1

    in_threads([lambda number=number: run(number) for number in range(threads)])
    return sum(counts)


def claim_all(store: SQLStore, until: float, limit: int) -> int:
    """Batches claimed and acked by `limit` threads, each of which claims its next in the step that acks its last."""
    counts = [0] * limit

    def run(number: int) -> None:
        claimed = store.claim(1)
        while time.monotonic() < until:
            if isinstance(claimed, Wait):
                claimed = store.claim(1)
                continue
            (claim,) = claimed
            _, claimed = store.proceed(claim, Outcome.ack(RESULTS[: len(claim.batch.ids)]))
            counts[number] += 1

    in_threads([lambda number=number: run(number) for number in range(limit)])
    return sum(counts)


def in_threads(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
