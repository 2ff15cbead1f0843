"""Ids of ingestions."""

from __future__ import annotations

import uuid

from app.memory.identifiers import RandomIds


def test_ids_are_distinct_random_uuids_across_fetches() -> None:
    ids = RandomIds()
    made = [ids.next() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {(4, uuid.RFC_4122)}
    assert {one[19] for one in made} == set("89ab")
    assert RandomIds().next() not in made
