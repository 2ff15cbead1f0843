"""The upstream of the fault tests: writes down every call before it answers, where no kill can take it back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_log = -1


def _end_with_the_test() -> None:
    """The pipe to this process closes with the test, also with one that was killed."""
    parent = os.getppid()
    # Not through sys.stdin, whose lock a forked child would find taken for ever.
    while os.read(0, 1024):
        pass
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if "RECORDER_LOG" in os.environ:
    threading.Thread(target=_end_with_the_test, daemon=True).start()


def record(ids: Sequence[int]) -> list[int]:
    """One line for each call, in one write to a file that only grows: time, process, ids."""
    global _log
    if _log < 0:
        _log = os.open(os.environ["RECORDER_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = f"{time.time():.6f} {os.getpid()} {','.join(map(str, ids))}\n"
    os.write(_log, line.encode())
    time.sleep(float(os.environ.get("RECORDER_SECONDS", "0")))
    return [-one for one in ids]


def read(path: Path) -> list[tuple[float, tuple[int, ...]]]:
    """Every call: when, and for which ids."""
    calls = []
    for line in path.read_text().splitlines() if path.exists() else []:
        at, _, ids = line.split(" ")
        calls.append((float(at), tuple(map(int, ids.split(",")))))
    return calls
