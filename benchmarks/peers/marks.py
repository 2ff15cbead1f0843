"""How a drain is timed from outside: the first and the last job in the queue each leave a mark."""

from __future__ import annotations

import os
import time
from pathlib import Path

BROKER = os.environ.get("BENCH_BROKER", "")
"""Where the queue lives: a URL, or a file's path."""


def leave(path: str) -> None:
    """Write the current time (monotonic seconds) to a file that is complete as soon as it exists."""
    part = Path(f"{path}.part")
    part.write_text(repr(time.monotonic()))
    part.rename(path)
