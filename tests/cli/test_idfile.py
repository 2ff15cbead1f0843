"""Reading ids out of whatever people keep them in."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.idfile import integers, parse_ids, read_ids, string


@pytest.mark.parametrize(
    "text", ["1\n-2\n3\n", "1, -2, 3", "1 -2,3\r\n", "\n\n1,\n,-2\t3,,\n", "1\x0b-2\x0c3", "01\n-02\n+3"]
)
def test_lines_commas_and_spaces_separate(text: str) -> None:
    assert list(read_ids(io.StringIO(text), "ids.txt", integers)) == [1, -2, 3]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.sampled_from(["\n", ",", " ", ", ", "\r\n"]))
def test_what_was_written_is_read(ids: list[int], separator: str) -> None:
    assert list(read_ids(io.StringIO(separator.join(map(str, ids))), "ids.txt", integers)) == ids
    assert list(parse_ids(map(str, ids), integers)) == ids


@pytest.mark.parametrize(
    "word", ["x", "1.0", "1e3", "0x10", "1_000", "\u0661", str(2**63), "9" * 5000, "None", "--3", "\ufffd"]
)
def test_a_wrong_one_is_named_with_its_line(word: str) -> None:
    with pytest.raises(ValueError, match=r"In ids\.txt, line 3, '.*is not an id: a whole number of up to 64 bits"):
        read_ids(io.StringIO(f"1\n\n2 {word}\n"), "ids.txt", integers)


def test_bytes_that_are_no_text() -> None:
    lines = io.TextIOWrapper(io.BytesIO(b"1\n\xff\n"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"ids\.bin is not UTF-8 text"):
        read_ids(lines, "ids.bin", integers)


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(ValueError, match="In the arguments, '1;2' is not an id"):
        parse_ids(["7,8", "1;2"], integers)


@pytest.mark.parametrize("text", ["a b\n1,2\n\u00fc\n", "a b\r\n\r\n 1,2 \r\n\u00fc", "\na b\n1,2\n\n\u00fc\n"])
def test_a_string_has_a_line_to_itself(text: str) -> None:
    assert read_ids(io.StringIO(text), "ids.txt", string) == ["a b", "1,2", "\u00fc"]
    assert parse_ids(["a b", "1,2", "", "\u00fc"], string) == ["a b", "1,2", "\u00fc"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [("x" * 201, "it must have 1 to 200 characters, not 201."), ("a\tb", "its character 2 is U+0009.")],
)
def test_a_wrong_string_is_named_with_its_line(line: str, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"In ids\.txt, line 2, .* is not an id: .*{re.escape(fault)}"):
        read_ids(io.StringIO(f"a\n{line}\n"), "ids.txt", string)
