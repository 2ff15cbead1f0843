"""The attempts at a batch, as they are kept with ATTEMPTS_KEPT."""

from __future__ import annotations

import os
import socket
import sys
from typing import NamedTuple

from .models import BatchError
from .states import COMPLETED, FAILED


class Attempt(NamedTuple):
    """One attempt at the batch at `position`: what it waited for last (as in Dispatch), when it ran, and how it ended.

    Times are epoch seconds. `ended_at` and `outcome` are None while it runs. The outcome is `completed`, `retry` (it
    failed, and the batch is tried again), `failed` (for good) or `released` (put back, and not counted).
    """

    position: int
    number: int
    due_at: float
    started_at: float
    limited_by: str
    host: str
    process: int
    ended_at: float | None = None
    outcome: str | None = None
    error: BatchError | None = None


def outcome_of(state: int, *, counted: bool) -> str:
    """Returns the outcome of an attempt that leaves its batch in `state`; only one that counts failed."""
    if not counted:
        return "released"
    return {COMPLETED: "completed", FAILED: "failed"}.get(state, "retry")


def this_process() -> tuple[str, int]:
    """Returns the name of this machine, and the number of this process on it."""
    return sys.intern(socket.gethostname()), os.getpid()
