"""The ids that a process keeps at hand, so that it does not read all of them for each page."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from app.core import Ids, Strings
from app.core.ids import to_lines
from app.sql import shelf as module
from app.sql.rows import IngestionRow
from app.sql.shelf import Shelf

IDS = [f"id-{number}" for number in range(100)]


class Reader:
    """Stands for a connection, and counts what is read."""

    def __init__(self, shelf: Shelf) -> None:
        self.read: list[int] = []
        self._shelf = shelf

    def execute(self, _: Any, values: dict[str, Any]) -> Reader:
        self.read.append(values["order"])
        return self

    def scalar(self) -> bytes:
        return to_lines(IDS)

    def ids(self, order: int, part: slice = slice(None), instance: int = 1) -> Ids:
        row = IngestionRow(order, f"{instance}-{order}", 1.0, 1, 0.0, len(IDS), 3, None, strings=True)
        return self._shelf.slice(self, instance, row, part)  # type: ignore[arg-type]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    """There is room for two."""
    monkeypatch.setattr(module, "_MOST", 2 * sys.getsizeof(Strings.of(IDS)))
    return Reader(Shelf(is_sqlite=True))


def test_what_is_at_hand_is_not_read_again(reader: Reader) -> None:
    for part in (slice(0, 3), slice(97, 100), slice(None)):
        assert list(reader.ids(1, part)) == IDS[part]
    assert reader.read == [1]
    reader.ids(1, instance=2)
    assert reader.read == [1, 1]


def test_what_was_used_last_stays(reader: Reader) -> None:
    for order in (1, 2, 1, 3):
        reader.ids(order)
    assert reader.read == [1, 2, 3]
    reader.ids(1)
    assert reader.read == [1, 2, 3]
    reader.ids(2)
    assert reader.read == [1, 2, 3, 2]
    reader.ids(1)
    assert reader.read == [1, 2, 3, 2]
    reader.ids(3)
    assert reader.read == [1, 2, 3, 2, 3]


def test_the_latest_stays_however_large_it_is(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 10)
    for order in (1, 1, 2, 2, 1):
        reader.ids(order)
    assert reader.read == [1, 2, 1]
