"""Random ids for ingestions."""

from __future__ import annotations

import os

_BATCH = 256
"""Ids made from one read of the system's randomness."""


class RandomIds:
    """Version 4 UUIDs (RFC 9562, section 5.4) from the system's source of randomness, read for many ids at once.

    Each read releases the GIL, and under load a request waits half a millisecond to get it back: reading for each id
    separately costs a quarter of the submits/s. Not thread-safe: its store calls it under the store's lock.
    """

    def __init__(self) -> None:
        self._some: list[bytes] = []

    def next(self) -> str:
        if not self._some:
            read = os.urandom(16 * _BATCH)
            self._some = [read[at : at + 16] for at in range(0, len(read), 16)]
        taken = self._some.pop()
        digits, variant = taken.hex(), "89ab"[taken[8] >> 6]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
