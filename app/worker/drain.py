"""A host's tests: everything that waits is run in the calling thread, and time jumps to each start."""

from __future__ import annotations

from ..config import Settings
from ..core import SystemClock, Wait
from ..signals import Emitter
from ..store import Store
from .announcements import announce_served
from .announcer import Announcer
from .attempt import Attempts
from .call import Process
from .crew import Crew

_MOST_HOLDS = 1000
"""Times that a batch may be put back in a row, by a processor that asks for a hold each time."""


class Drain:
    """Runs batches one after the other as a worker with one slot would; in place of its waits, `clock` advances."""

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        clock: SystemClock,
        process: Process,
        emitter: Emitter,
    ) -> None:
        crew = Crew(name, 1, group=False, on_idle=lambda: None)
        crew.close()  # so that no attempt claims the batch after its own
        self._store = store
        self._emitter = emitter
        self._clock = clock
        # Without chance, so that a test can tell when a retry starts: each waits as long as it may.
        self._attempts = Attempts(store, settings, clock, process, emitter, crew, Announcer(name), draw=lambda: 1.0)

    def run(self, *, raises: bool, end: float) -> int:
        """Run what waits and starts up to `end`, in epoch seconds; returns how many attempts ran.

        Batches that share a call have an attempt each. Time stays at the latest start.

        With `raises`, what a processor raised is raised once the store knows of it. A KeyboardInterrupt, or the end
        that a test's framework calls for, always is. Raises RuntimeError where a processor does nothing but hold.
        """
        count = 0
        while self._clock.now() <= end:
            answer = self._store.claim(1)
            announce_served(self._store.served, self._emitter)
            if not isinstance(answer, Wait):
                count += len(answer[0].all)
                error = self._attempts.run_here(answer[0])
                if (holds := self._attempts.holds.in_a_row) >= _MOST_HOLDS:
                    raise RuntimeError(f"The processor held the queue {holds} times in a row; this would never end.")
                if error is not None and (raises or not isinstance(error, Exception | SystemExit)):
                    raise error
            elif self._will_end(answer) and self._clock.now() + (answer.seconds or 0.0) <= end:
                self._clock.advance(answer.seconds or 0.0)
            else:
                break
        return count

    def _will_end(self, wait: Wait) -> bool:
        """Returns whether a batch may start once time has passed."""
        if wait.reason == "hold":
            return any(depth.waiting > depth.parked for depth in self._store.stats().depths.values())
        return wait.reason in ("token", "retry") or wait.seconds == 0.0
