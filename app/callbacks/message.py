"""A callback: what is said, how it is signed, and how it changes from attempt to attempt."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from uuid import uuid4

from ..core import Ingestion, dumps, ingestion_document, timestamp


class CallbackState(StrEnum):
    """Where a callback stands."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Delivery(NamedTuple):
    """How an attempt at a callback ended. One that is PENDING is due again after `delay` seconds.

    If `counted` is false, the attempt does not count: nothing was sent.
    """

    state: CallbackState
    error: str | None = None
    delay: float = 0.0
    counted: bool = True


class Callback(NamedTuple):
    """What a receiver is told of one end of an ingestion. Times are seconds since the epoch.

    `url` is None for the receiver of WEBHOOK_URL. While it is pending, `at` is when it is due, and during an attempt
    when that is given up for lost; afterwards, when it ended. `since` is when the day of its attempts began: when the
    first of them failed or, before that, when it was made or redriven.
    """

    id: str
    ingestion_id: str
    url: str | None
    body: str
    created_at: float
    since: float
    at: float
    state: CallbackState = CallbackState.PENDING
    attempts: int = 0
    error: str | None = None

    @classmethod
    def of(cls, ingestion: Ingestion, url: str | None, now: float) -> Callback:
        """Returns the callback of an ingestion that ends now."""
        document = {
            "type": f"ingestion.{ingestion.status}",
            "timestamp": timestamp(ingestion.finished_at),
            "data": ingestion_document(ingestion),
        }
        return cls(f"msg_{uuid4().hex}", ingestion.id, url, dumps(document), now, now, now)

    def claimed(self, now: float, lease: float) -> Callback:
        """Returns it with an attempt under way."""
        return self._replace(at=now + lease, attempts=self.attempts + 1)

    def is_latest(self, other: Callback) -> bool:
        """Returns whether the attempt of `other` is the one under way: the fence against late outcomes."""
        return self.state is CallbackState.PENDING and (self.at, self.attempts) == (other.at, other.attempts)

    def after(self, delivery: Delivery, now: float) -> Callback:
        """Returns it after an attempt that ended now."""
        changed = self._replace(state=delivery.state, at=now + delivery.delay, error=delivery.error)
        if not delivery.counted:
            return changed._replace(attempts=self.attempts - 1)
        return changed._replace(since=now) if self._is_first else changed

    def redriven(self, now: float) -> Callback:
        """Returns it due at once, with another day of attempts."""
        return self._replace(state=CallbackState.PENDING, since=now, at=now, error=None)

    def elapsed(self, lease: float) -> float:
        """Returns how many seconds of its day were over as the attempt under way began."""
        return 0.0 if self._is_first else self.at - lease - self.since

    @property
    def is_redriven(self) -> bool:
        """Whether somebody asked for it again, and no attempt has failed since."""
        return self.error is None and self.since > self.created_at

    @property
    def _is_first(self) -> bool:
        """Whether no attempt of its day has failed before the one under way; an error may be that of its host."""
        return self.error is None or self.attempts == 1


def headers_of(callback: Callback, secrets: Iterable[bytes], now: float) -> dict[str, str]:
    """Returns the headers of an attempt at `now`, signed with each secret.

    Standard Webhooks 1.0.0, "Webhook Headers" and "Signature Scheme": HMAC-SHA256 over id, timestamp and body.
    The id stays the same from attempt to attempt, so that a receiver can recognise what it was told before.
    """
    moment = str(int(now))
    signed = f"{callback.id}.{moment}.{callback.body}".encode()
    signatures = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Flask-Ingestion",
        "webhook-id": callback.id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
