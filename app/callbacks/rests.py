"""Which receivers are left alone for a while, because they take nothing now."""

from __future__ import annotations

from typing import NamedTuple

from ..receivers import Address
from .schedule import least_wait

_REST = 300.0
"""Most seconds until a receiver that rests is tried again."""

_GAP = 0.1
"""Seconds between two callbacks of a receiver that rests. Without it, all would come up at once after each rest."""

_AWAY = frozenset((429, 502, 503, 504))
"""Answers that are about the receiver, not about what it was told (RFC 9110, section 15.6; RFC 6585, section 4)."""


class _Rest(NamedTuple):
    """A receiver takes nothing since `since` and rests until `until`; what is put off next comes up at `next_at`."""

    since: float
    until: float
    next_at: float
    why: str


class Rests:
    """The hosts that do not answer and the addresses that say they are away: each rests, longer after each failure.

    A whole host rests only for want of an answer, so that no address can keep callbacks from the others there.
    """

    def __init__(self) -> None:
        self._of: dict[str | Address, _Rest] = {}

    def wait(self, address: Address, now: float) -> tuple[float, str, float] | None:
        """Returns for how many seconds a callback is put off, why, and since when it has taken nothing.

        None if neither host nor address rests.
        """
        for whom in (address.host, address):
            rest = self._of.get(whom)
            if rest is not None and rest.until > now:
                self._of[whom] = rest._replace(next_at=rest.next_at + _GAP)
                return rest.next_at - now, rest.why, rest.since
        return None

    def note(self, address: Address, status: int, why: str, began: float, now: float) -> None:
        """Note what an attempt from `began` until now brought: the status of the answer, 0 for none."""
        if not status:
            self._begin(address.host, why, began, now)
            return
        self._of.pop(address.host, None)
        if status in _AWAY:
            self._begin(address, why, began, now)
        else:
            self._of.pop(address, None)

    def _begin(self, whom: str | Address, why: str, began: float, now: float) -> None:
        self._of = {one: rest for one, rest in self._of.items() if rest.next_at > now - _REST}
        known = self._of.get(whom) or _Rest(now, now, now, why)
        # The least wait, so that the rest is over when the callback that began it is due again.
        until = now + min(_REST, least_wait(began - known.since))
        self._of[whom] = _Rest(known.since, until, max(until, known.next_at), why)
