"""One acceptance for each idempotency key: which keys are in use, and what each was used for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .core import Checked, Strings
from .errors import KeyInUse


class KeysInUse:
    """The keys of each owner whose first request is being accepted in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str | None, str]] = set()

    @contextmanager
    def use(self, owner: str | None, key: str) -> Iterator[None]:
        """Keep a key to this request until it is accepted or refused. Raises KeyInUse while another one has it."""
        with self._lock:
            if (owner, key) in self._keys:
                raise KeyInUse(
                    f"A request with the idempotency key {key!r} is still being accepted; try again in a moment."
                )
            self._keys.add((owner, key))
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard((owner, key))


def fingerprints_of(checked: Checked, deadline: Any) -> tuple[str, str | None]:
    """Returns what is the same for two submissions only if they ask for the same; `deadline` is as it was sent.

    Where that is a whole number of seconds, which JSON may write as 100 or as 100.0, the second is for the other way.
    """
    own = _fingerprint(checked, deadline)
    if isinstance(deadline, float) and deadline.is_integer():
        return own, _fingerprint(checked, int(deadline))
    return own, _fingerprint(checked, float(deadline)) if isinstance(deadline, int) else None


def _fingerprint(checked: Checked, deadline: Any) -> str:
    ids, priority, _, callback, fresh = checked
    told = "".join(f"{one} " for one in (callback, fresh) if one is not None)
    digest = hashlib.sha256(f"{priority.name} {deadline!r} {told}".encode())
    digest.update(b"strings " + ids.lines if isinstance(ids, Strings) else ids)
    return digest.hexdigest()
