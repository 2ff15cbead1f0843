"""What the two clients have in common: where the service is, and how patient to be with it."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from ..core import Clock, SystemClock, number_of
from .calls import Calls
from .messages import Address
from .verbs import Verbs

_HERE = "http://127.0.0.1:8000"


class Base(ABC):
    """A client's address, options and verbs; `Client` describes them."""

    def __init__(
        self,
        url: str = _HERE,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
        retries: int | None = None,
        notice: Callable[[str], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        address = Address(url, key)
        if number_of(timeout) is None or not 0 < timeout <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r}.")
        if number_of(patience) is None or not patience >= 0:
            raise ValueError(f"patience must be a number of seconds from 0, not {patience!r}.")
        if retries is not None and (type(retries) is not int or retries < 0):
            raise ValueError(f"retries must be a whole number from 0, or None for no bound, not {retries!r}.")
        self._verbs = Verbs(
            Calls(address, timeout=timeout, patience=patience, retries=retries, notice=notice, now=self._clock.now)
        )
        self._open(address)

    @abstractmethod
    def _open(self, address: Address) -> None:
        """Make what carries requests to this address."""

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Returns a client of the service at `INGEST_URL`, with the key in `INGEST_KEY`; takes all other options.

        Raises ValueError for a wrong value.
        """
        url, key = os.environ.get("INGEST_URL") or _HERE, os.environ.get("INGEST_KEY") or None
        try:
            Address(url, key)
        except ValueError as error:
            raise ValueError(f"INGEST_URL and INGEST_KEY name no service: {error}") from None
        return cls(url, key=key, **options)
