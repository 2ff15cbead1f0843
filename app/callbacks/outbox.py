"""The callbacks that a store keeps until they are sent, and for a while after that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from .message import Callback, CallbackState, Delivery


class Unsent(NamedTuple):
    """How many callbacks wait to be sent, and how many have failed for good."""

    pending: int
    failed: int


def redriven(callbacks: Sequence[Callback]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what the audit log says of callbacks that are sent again: how many were unsent before, and are now."""
    failed = sum(one.state is CallbackState.FAILED for one in callbacks)
    before, after = Unsent(len(callbacks) - failed, failed), Unsent(len(callbacks), 0)
    return before._asdict(), after._asdict()


class Outbox(ABC):
    """Thread-safe. Its store adds a callback in the step in which an ingestion ends. Every call may raise
    StoreUnavailable.
    """

    @abstractmethod
    def claim(self, lease: float) -> Callback | float | None:
        """Begin an attempt at the callback that has been due the longest, and return it as it is then.

        Nobody else gets it for `lease` seconds. Where none is due, returns the seconds until one can be, None if none
        is pending.
        """

    @abstractmethod
    def end(self, callback: Callback, delivery: Delivery) -> bool:
        """End an attempt; returns False if it is no longer the latest one, which changes nothing."""

    @abstractmethod
    def of(self, ingestion_id: str) -> list[Callback]:
        """Returns the callbacks of an ingestion, newest first: one for each time that it ended."""

    @abstractmethod
    def redrive(self, ingestion_id: str, by: str | None = None) -> int:
        """Make an ingestion's failed and pending callbacks due at once; returns how many.

        Where there are any, the audit log says who did.
        """

    @abstractmethod
    def unsent(self) -> Unsent:
        """Returns how many of all callbacks are pending or failed."""

    @abstractmethod
    def prune(self) -> bool:
        """Forget some callbacks that were sent or failed more than `RETENTION` seconds ago; returns whether any were.

        Where no setting names a receiver any more, those that have been due for as long are forgotten too.
        """
