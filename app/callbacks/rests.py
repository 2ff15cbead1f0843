"""Which receivers are left alone for a while, because they take nothing now, or take long."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..receivers import Address
from .schedule import least_wait

_REST = 300.0
"""Most seconds until a receiver that rests is tried again."""

_GAP = 0.1
"""Seconds between two callbacks of a receiver that rests. Without it, all would come up at once after each rest."""

_AWAY = frozenset((429, 502, 503, 504))
"""Answers that are about the receiver, not about what it was told (RFC 9110, section 15.6; RFC 6585, section 4)."""

_LONG = 1.0
"""Seconds for an answer above which a host rests, so that others get theirs in between."""

_SHARE = 0.25
"""How long it does, as a share of the time that the answer took: enough to put off all that has become due to it."""


class _Rest(NamedTuple):
    """A receiver takes nothing since `since` and rests until `until`; what is put off next comes up at `next_at`.

    `since` is infinite for a host that only takes long.
    """

    since: float
    until: float
    next_at: float
    why: str


class Rests:
    """The hosts that do not answer and the addresses that say they are away: each rests, longer after each failure.

    A whole host rests only for want of an answer, so that no address can keep callbacks from the others there, or for a
    quarter of the time that one took which came late, unless it is the `one_host` that there is.
    """

    def __init__(self, *, one_host: bool = False) -> None:
        self._one_host = one_host
        self._of: dict[str | Address, _Rest] = {}

    def wait(self, address: Address, now: float) -> tuple[float, str, float] | None:
        """Returns for how many seconds a callback is put off, why, and since when its receiver has taken nothing.

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
        if (took := now - began) > _LONG and not self._one_host:
            self._pause(address.host, took, now)
        else:
            self._of.pop(address.host, None)
        if status in _AWAY:
            self._begin(address, why, began, now)
        else:
            self._of.pop(address, None)

    def _begin(self, whom: str | Address, why: str, began: float, now: float) -> None:
        known = self._known(whom, now)
        since = min(known.since, now)
        # The least wait, so that the rest is over when the callback that began it is due again.
        until = now + min(_REST, least_wait(began - since))
        self._of[whom] = _Rest(since, until, max(until, known.next_at), why)

    def _pause(self, host: str, took: float, now: float) -> None:
        until = now + min(_REST, took * _SHARE)
        next_at = max(until, self._known(host, now).next_at)
        self._of[host] = _Rest(math.inf, until, next_at, f"{host} took {took:.1f} s to answer.")

    def _known(self, whom: str | Address, now: float) -> _Rest:
        """Returns its latest rest, after those of whom nobody tells any more are forgotten."""
        self._of = {one: rest for one, rest in self._of.items() if rest.next_at > now - _REST}
        return self._of.get(whom) or _Rest(math.inf, now, now, "")
