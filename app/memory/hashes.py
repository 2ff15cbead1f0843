"""The index of FIND_IDS: which records hold an id, by the id's hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core import Sought, bucket_of, buckets_of, packed_hash
from .record import Record


class Hashes:
    """For each bucket the records with ids in it, the oldest first, each with the hashes of those ids.

    Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Record, bytes]] = {}

    def add(self, record: Record, hashes: Mapping[int, bytes]) -> None:
        buckets = self._buckets
        for bucket, some in hashes.items():
            if bucket in buckets:
                buckets[bucket][record] = some
            else:
                buckets[bucket] = {record: some}

    def remove(self, record: Record) -> None:
        for bucket in buckets_of(record.ids) if self._buckets else ():
            records = self._buckets.get(bucket, {})
            records.pop(record, None)
            if not records:
                self._buckets.pop(bucket, None)

    def find(self, sought: Sought) -> Iterator[Record]:
        """Yields the records that hold an id of this hash, the newest first."""
        hashes = sought.hashes
        records = {record for one in hashes for record in self._holding(one)}
        yield from sorted(records, key=lambda record: record.order, reverse=True)

    def _holding(self, hashed: int) -> Iterator[Record]:
        packed = packed_hash(hashed)
        return (record for record, some in self._buckets.get(bucket_of(hashed), {}).items() if packed in some)
