"""The hashes by which an index leads from ids to ingestions, and the buckets they fall into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zlib import crc32

from .ids import Id, Ids

_BITS = 13
BUCKETS = 1 << _BITS
"""Into how many buckets hashes fall."""

_MASK = (1 << 32) - 1
_SHIFT = 32 - _BITS
_WIDTH = 4
_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: the multiplier of Fibonacci hashing (Knuth, TAOCP, section 6.4)."""


def hash_of(one: Id) -> int:
    """Returns 32 bits, the same in every process; which bucket they fall into follows from the first of them."""
    return crc32(one.encode()) if isinstance(one, str) else one * _GOLDEN >> 32 & _MASK


def bucket_of(hashed: int) -> int:
    return hashed >> _SHIFT


def packed_hash(hashed: int) -> bytes:
    return hashed.to_bytes(_WIDTH, "little")


def hashes_of(ids: Ids) -> Mapping[int, bytes]:
    """Returns the hashes of ids by bucket, 4 bytes each, least significant first."""
    found: dict[int, bytearray] = {}
    for hashed in map(hash_of, ids):
        bucket, packed = bucket_of(hashed), packed_hash(hashed)
        if bucket in found:
            found[bucket] += packed
        else:
            found[bucket] = bytearray(packed)
    return {bucket: bytes(some) for bucket, some in found.items()}


def buckets_of(ids: Ids) -> Iterable[int]:
    """Returns buckets that hold all hashes of the ids; some may hold none."""
    return {bucket_of(hash_of(one)) for one in ids} if len(ids) < BUCKETS else range(BUCKETS)
