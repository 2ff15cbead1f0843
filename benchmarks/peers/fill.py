"""Fill a peer's queue: `python -m benchmarks.peers.fill MODULE BATCHES FOLDER`, in a process that then ends.

Cuts ids into batches of 3 and enqueues each, between a job that leaves FOLDER/first and one that leaves FOLDER/last.
"""

from __future__ import annotations

import importlib
import sys

BATCH_SIZE = 3


def main(module: str, batches: str, folder: str) -> None:
    queue = importlib.import_module(module)
    ids = list(range(1, int(batches) * BATCH_SIZE + 1))
    queue.enqueue_mark(f"{folder}/first")
    for start in range(0, len(ids), BATCH_SIZE):
        queue.enqueue(ids[start : start + BATCH_SIZE])
    queue.enqueue_mark(f"{folder}/last")


if __name__ == "__main__":
    main(*sys.argv[1:])
