"""A store that fails when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.core import COMPLETED, FAILED, Claim, Ingestion
from app.memory.store import MemoryStore
from app.outcomes import Outcome

_CALLS = (
    "ack", "add", "bury", "cancel", "claim", "get", "hold", "leave", "ping", "prune", "recover", "release", "renew",
    "report", "retry",
)  # fmt: skip


class TroubledStore(MemoryStore):
    """A MemoryStore; before each call named in `faults`, the function there is called.

    An `end` goes by the name of its outcome: ack, retry, bury or release.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.faults: dict[str, Callable[[], Any]] = {}

    def fail(self, error: BaseException, *calls: str, times: int = 1_000_000) -> None:
        """Make these calls (all of them if none is named) raise a number of times each."""

        def failing(call: str) -> Callable[[], None]:
            left = [times]

            def go_wrong() -> None:
                if not left[0]:
                    del self.faults[call]
                    return
                left[0] -= 1
                raise error

            return go_wrong

        for call in calls or _CALLS:
            self.faults[call] = failing(call)

    def heal(self) -> None:
        self.faults.clear()

    def end(self, claim: Claim, outcome: Outcome) -> Ingestion | None:
        if go_wrong := self.faults.get(_name_of(outcome)):
            go_wrong()
        return super().end(claim, outcome)

    def end_together(self, ended: Sequence[tuple[Claim, Outcome]]) -> list[Any]:
        return [self.end(claim, outcome) for claim, outcome in ended]  # each of which may go wrong

    def proceed(self, claim: Claim, outcome: Outcome, *, was_full: bool = False) -> Any:
        return self.end(claim, outcome), self.claim(1, was_full=was_full)


def _name_of(outcome: Outcome) -> str:
    if outcome.state in (COMPLETED, FAILED):
        return "ack" if outcome.state == COMPLETED else "bury"
    return "retry" if outcome.counted else "release"


def _troubled(name: str) -> Callable[..., Any]:
    def call(self: TroubledStore, *args: Any, **more: Any) -> Any:
        if go_wrong := self.faults.get(name):
            go_wrong()
        return getattr(MemoryStore, name)(self, *args, **more)

    return call


for _name in set(_CALLS) - {"ack", "bury", "release", "retry"}:
    setattr(TroubledStore, _name, _troubled(_name))
