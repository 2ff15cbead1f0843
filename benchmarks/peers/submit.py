"""Submit to a peer with a limit: `python -m benchmarks.peers.submit MODULE WAITING`.

The first line that it receives adds so many LOW, every further one a HIGH; it answers with the moment (epoch seconds).
Jobs are numbered from 1 in that order.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.processes import answer


def main(module: str, waiting: str) -> None:
    answer(functools.partial(next, _submitted(importlib.import_module(module), int(waiting))))


def _submitted(queue: Any, waiting: int) -> Iterator[float]:
    for number in range(1, waiting + 1):
        queue.enqueue(number, urgent=False)
    yield time.time()
    for number in itertools.count(waiting + 1):
        moment = time.time()
        queue.enqueue(number, urgent=True)
        yield moment


if __name__ == "__main__":
    main(*sys.argv[1:])
