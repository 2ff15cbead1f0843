"""What may start and why not, a batch's rank, and what an operator's command refuses."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from ..config import Settings
from ..errors import Conflict
from .limiter import Limiter
from .models import Priority, Status


class Wait(NamedTuple):
    """Why nothing may start, and in how many seconds to try again (None: once something changes).

    `reason` is one of `paused`, `hold`, `empty`, `retry`, `slots` and `token`.
    """

    seconds: float | None
    reason: str


@dataclass(slots=True)
class Gate:
    """The conditions for every start: no pause, no hold, and a token. Times are epoch seconds.

    Not thread-safe: a store changes its gate under its lock, or in its turn at the database.
    """

    limiter: Limiter
    paused: bool = False
    resumed_at: float = 0.0
    hold_until: float = 0.0

    def pause(self) -> None:
        """Start nothing until `resume`."""
        self.paused = True

    def resume(self, now: float) -> None:
        """End a pause, if any."""
        if self.paused:
            self.paused, self.resumed_at = False, now

    def hold(self, until: float) -> None:
        """Start nothing before `until`; never shortens a hold."""
        self.hold_until = max(self.hold_until, until)

    def wait(self, now: float, *, due: float | None, slots: int) -> Wait | None:
        """Returns why nothing may start now, or None if something may.

        `due` is when the first waiting batch is due (None: nothing waits), `slots` how many more batches may run.
        """
        if self.paused:
            return Wait(None, "paused")
        if self.hold_until > now:
            return Wait(self.hold_until - now, "hold")
        if due is None:
            return Wait(None, "empty")
        if due > now:
            return Wait(due - now, "retry")
        if slots <= 0:
            return Wait(None, "slots")
        if (token_at := self.limiter.when(0, now)) > now:
            return Wait(token_at - now, "token")
        return None

    def limited_by(self, *, fresh: bool, due: float, token_at: float, was_full: bool) -> str:
        """Returns the last of the conditions that a start waited for."""
        if was_full:
            return "slots"
        came = (
            ("arrival" if fresh else "retry", due),
            ("paused", self.resumed_at),
            ("hold", self.hold_until),
            ("token", token_at),
        )
        return max(came, key=itemgetter(1))[0]


def rank_of(settings: Settings, priority: Priority, now: float) -> float:
    """Returns the rank of an ingestion created now; the lowest rank goes first."""
    return now + priority * settings.priority_aging if settings.priority_aging else float(priority)


def is_last(attempt: int, max_attempts: int) -> bool:
    """Returns whether no attempt follows if this one fails."""
    return attempt >= max_attempts


def check_cancel(status: Status, *, cancelled: bool) -> bool:
    """Returns whether a cancel changes anything. Raises Conflict if the ingestion ended in another way."""
    if cancelled:
        return False
    if status.final:
        raise Conflict(f"The ingestion is {status.value}; nothing is left to cancel.")
    return True


def check_redrive(failed: int, *, cancelled: bool) -> None:
    """Raises Conflict if no batch of the ingestion failed, or if it was cancelled."""
    if cancelled:
        raise Conflict("The ingestion was cancelled; submit the ids again instead.")
    if not failed:
        raise Conflict("No batch of the ingestion failed; there is nothing to redrive.")
