"""The upstream of the fault tests: records every call before it answers, where no kill can undo it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_log = -1


def _end_with_the_test() -> None:
    """The pipe to this process closes when the test ends, even if it is killed."""
    parent = os.getppid()
    # Not through sys.stdin, whose lock would stay taken forever in a forked child.
    while os.read(0, 1024):
        pass
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if "RECORDER_LOG" in os.environ:
    threading.Thread(target=_end_with_the_test, daemon=True).start()


def record(ids: Sequence[int]) -> list[int]:
    """One line per call, in one write to an append-only file: time, process, ids."""
    global _log
    if _log < 0:
        _log = os.open(os.environ["RECORDER_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = f"{time.time():.6f} {os.getpid()} {','.join(map(str, ids))}\n"
    os.write(_log, line.encode())
    time.sleep(float(os.environ.get("RECORDER_SECONDS", "0")))
    return [-one for one in ids]


def read(path: Path) -> list[tuple[float, tuple[int, ...]]]:
    """Every call: its time and its ids."""
    calls = []
    for line in path.read_text().splitlines() if path.exists() else []:
        at, _, ids = line.split(" ")
        calls.append((float(at), tuple(map(int, ids.split(",")))))
    return calls
