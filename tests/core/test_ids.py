"""String ids, packed, are what a list of them would be."""

from __future__ import annotations

import random
import sys
import tracemalloc
import uuid
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import ids as module
from app.core.ids import LONGEST_ID, Ids, Strings, ids_at, string_fault

TEXTS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30)
LISTS = st.lists(TEXTS, max_size=40)
ENDS = st.none() | st.integers(-45, 45)


@given(LISTS, ENDS, ENDS, ENDS, ENDS)
def test_a_slice_of_a_slice_is_that_of_the_list(
    ids: list[str], first: int | None, last: int | None, start: int | None, end: int | None
) -> None:
    packed = Strings.of(ids)[first:last][start:end]
    expected = ids[first:last][start:end]
    assert len(packed) == len(expected)
    assert packed.tolist() == list(packed) == [packed[nth] for nth in range(len(packed))] == expected
    assert packed == Strings.of(expected) == Strings(packed.lines)
    assert expected == [] or packed[-1] == expected[-1]
    with pytest.raises(IndexError):
        packed[len(packed)]


@given(st.lists(TEXTS, min_size=1, max_size=40), ENDS, ENDS, st.data())
def test_an_id_is_found_where_it_is_in_the_list(
    ids: list[str], first: int | None, last: int | None, data: st.DataObject
) -> None:
    packed, expected, sought = Strings.of(ids)[first:last], ids[first:last], data.draw(st.sampled_from(ids))
    if sought in expected:
        assert packed.index(sought) == expected.index(sought)
    else:
        with pytest.raises(ValueError, match="is not in it"):
            packed.index(sought)


def test_in_a_slice_a_place_counts_from_its_beginning() -> None:
    assert Strings.of(["a", "b", "c", "d"])[2:].index("d") == 1
    assert Strings.of(["a", "b", "a", "a"]).index("a", 1) == 2


@given(LISTS, LISTS)
def test_equal_ids_are_equal(some: list[str], others: list[str]) -> None:
    assert (Strings.of(some) == Strings.of(others)) == (some == others)
    assert Strings.of(some) != some


def test_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no step"):
        Strings.of(["a", "b", "c"])[::2]


@given(LISTS)
def test_it_makes_no_difference_where_lines_are_parted(ids: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", 4 * 30 + 1)
        assert Strings.of(ids).tolist() == ids


def examples() -> dict[str, list[str]]:
    chance = random.Random(7)
    return {
        "short": [chance.choice("abcdefgh") for _ in range(100_000)],
        "uuids": [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(100_000)],
        "long": ["\U0001f600" * LONGEST_ID] * 10_000,
    }


@pytest.mark.parametrize("kind", ["short", "uuids", "long"])
def test_they_take_at_most_twice_their_bytes_and_sixteen_each(kind: str) -> None:
    ids = examples()[kind]
    most = 2 * sum(len(one.encode()) for one in ids) + 16 * len(ids)
    tracemalloc.start()
    try:
        packed = Strings.of(ids)
        taken, _ = tracemalloc.get_traced_memory()
        pages = [packed[at : at + 3] for at in range(0, len(packed) - 3, 1000)]
        pages_taken = tracemalloc.get_traced_memory()[0] - taken
    finally:
        tracemalloc.stop()
    assert sum(len(one.encode()) for one in ids) + 8 * len(ids) <= sys.getsizeof(packed) <= most
    assert taken <= most
    assert pages_taken <= 250 * len(pages)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "must have 1 to 200 characters, not 0."),
        ("x" * 201, "must have 1 to 200 characters, not 201."),
        (" a", "must not begin or end with a blank."),
        ("a ", "must not begin or end with a blank."),
        (" ", "must not begin or end with a blank."),
        ("ab\n", "must be printable, but its character 3 is U+000A."),
        ("a\xa0b", "must be printable, but its character 2 is U+00A0."),
        ("\u202eab", "must be printable, but its character 1 is U+202E."),
        ("a\ud800", "must be printable, but its character 2 is U+D800."),
    ],
)
def test_what_is_no_id(text: str, fault: str) -> None:
    assert string_fault(text) == fault


@pytest.mark.parametrize("text", ["a", "a b", "0", '"],\\', "\u00fc\U0001f600", "x" * 200, "\U0001f600" * 200])
def test_what_is_one(text: str) -> None:
    assert string_fault(text) is None


@pytest.mark.parametrize("ids", [array("q", range(20, 41)), Strings.of([str(one) for one in range(20, 41)])])
@pytest.mark.parametrize(
    ("positions", "first", "expected"),
    [
        (range(7), 0, range(20, 41)),
        (range(2, 4), 0, range(26, 32)),
        (range(12, 14), 10, range(26, 32)),
        ([1, 4], 0, [23, 24, 25, 32, 33, 34]),
        ([11, 14], 10, [23, 24, 25, 32, 33, 34]),
        ([], 0, []),
    ],
)
def test_the_ids_of_some_batches_are_theirs_in_order(
    ids: Ids, positions: Sequence[int], first: int, expected: Sequence[int]
) -> None:
    assert [int(one) for one in ids_at(ids, positions, 3, first)] == list(expected)
