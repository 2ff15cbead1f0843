"""Where the hashes of ids fall."""

from __future__ import annotations

from app.core.hashes import bucket_of, hash_of


def test_hashes_and_their_buckets_are_those_that_databases_hold() -> None:
    assert [hash_of(one) for one in (1, -1, 2**62, "a")] == [2654435769, 1640531526, 1073741824, 3904355907]
    assert [bucket_of(hashed) for hashed in (0, 2**19 - 1, 2**19, 2**32 - 1)] == [0, 0, 1, 8191]
