"""The running claims, each with a lease."""

from __future__ import annotations

from collections.abc import Iterator

from ..core import Batch, Claim
from .record import Record


class Lease:
    """A running claim, when it expires without a heartbeat, and the id of the batch in whose call it rides, if any."""

    __slots__ = ("claim", "record", "rode_with", "until")

    def __init__(self, record: Record, claim: Claim, until: float, rode_with: str | None) -> None:
        self.record = record
        self.claim = claim
        self.until = until
        self.rode_with = rode_with


class Leases:
    """The leases of `seconds` each, by batch. Called under the store's lock.

    `calls` counts the calls in process; a batch that rides has none of its own.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._by_batch: dict[tuple[str, int], Lease] = {}
        self.calls = 0

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._by_batch.values())

    def started(self) -> Iterator[float]:
        """Yields when the calls in process started."""
        return (one.claim.claimed_at for one in self if one.rode_with is None)

    def started_of(self, record: Record) -> list[float]:
        """Returns when the running batches of an ingestion started."""
        return [one.claim.claimed_at for one in self if one.record is record]

    def add(self, record: Record, claim: Claim, rode_with: str | None) -> None:
        """Lease a claim, from its start on."""
        lease = Lease(record, claim, claim.claimed_at + self._seconds, rode_with)
        self._by_batch[record.id, claim.batch.position] = lease
        self.calls += rode_with is None

    def of(self, claim: Claim) -> Lease | None:
        """Returns the lease of a claim, None if it is no longer the latest of its batch."""
        lease = self._by_batch.get((claim.batch.ingestion_id, claim.batch.position))
        if lease and claim.is_latest(lease.claim.batch.attempt, lease.claim.claimed_at):
            return lease
        return None

    def end(self, claim: Claim) -> Lease | None:
        """Forget the lease of a claim that ends, and return it; None if it is no longer the latest of its batch."""
        if lease := self.of(claim):
            del self._by_batch[lease.record.id, lease.claim.batch.position]
            self.calls -= lease.rode_with is None
        return lease

    def record_of(self, batch: Batch) -> Record:
        """Returns the ingestion of a running batch."""
        return self._by_batch[batch.ingestion_id, batch.position].record

    def renew(self, claim: Claim, now: float) -> None:
        """Extend the lease of a claim that is still the latest of its batch."""
        if lease := self.of(claim):
            lease.until = now + self._seconds

    def lapsed(self, now: float) -> list[Lease]:
        """Returns the leases that ran out."""
        return [lease for lease in self if lease.until <= now]
