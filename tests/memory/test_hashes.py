"""The index of FIND_IDS in memory."""

from __future__ import annotations

from array import array

from app.core import Priority, Sought, Strings, hashes_of
from app.memory.hashes import Hashes
from app.memory.record import Record
from app.store import Submission


def record(order: int, ids: array[int] | Strings) -> Record:
    return Record(f"{order}", order, 1.0, 0.0, 3, Submission(ids, Priority.LOW))


def test_what_was_removed_takes_no_room() -> None:
    index = Hashes()
    records = [
        record(1, array("q", range(20_000))),
        record(2, array("q", [7])),
        record(3, Strings.of(["7", "ü"])),
    ]
    for one in records:
        index.add(one, hashes_of(one.ids))
    assert list(index.find(Sought.of("7"))) == records[::-1]
    for one in records:
        index.remove(one)
        assert one not in list(index.find(Sought.of("7")))
    assert index._buckets == {}
    index.remove(records[0])
