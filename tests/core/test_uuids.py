"""What an abbreviated id stands for."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import batch_id, batch_id_parts, batch_position, id_prefix, id_range, ingestion_prefix

IDS = st.uuids(version=4).map(str)
WHOLE = "8d0b2a4e-1c3f-4a5b-9c7d-0123456789ab"


@pytest.mark.parametrize("length", range(1, 37))
def test_an_id_is_recognised_however_much_of_it_is_given_and_with_or_without_its_dashes(length: int) -> None:
    beginning = WHOLE[:length]
    usual = beginning.removesuffix("-")
    assert id_prefix(beginning) == usual
    assert id_prefix(f" {beginning.upper()} ") == usual
    assert id_prefix(beginning.replace("-", "")) == usual


@pytest.mark.parametrize("text", ["", " ", "-", "g", "8d0b2a4e-1c3f-4a5b-9c7d-0123456789ab0", "8d0b 2a4e"])
def test_what_cannot_be_the_beginning_of_an_id_is_none(text: str) -> None:
    assert id_prefix(text) is None


@given(IDS, st.integers(1, 36), IDS)
def test_the_range_of_a_prefix_has_the_ids_that_begin_with_it(one: str, length: int, other: str) -> None:
    prefix = one[:length].removesuffix("-")
    least, most = id_range(prefix)
    assert str(uuid.UUID(least)) == least
    assert str(uuid.UUID(most)) == most
    assert least.startswith(prefix)
    assert most.startswith(prefix)
    assert least <= one <= most
    assert (least <= other <= most) == other.startswith(prefix)


@given(IDS, st.integers(0, 10**9))
def test_the_id_of_a_batch_leads_to_its_ingestion_and_its_position(ingestion: str, position: int) -> None:
    batch = batch_id(ingestion, position)
    assert ingestion_prefix(batch) == ingestion[:24]
    assert batch_position(ingestion, batch) == position
    assert ingestion_prefix(ingestion) is None
    assert ingestion_prefix(batch[:-1]) is None


@pytest.mark.parametrize("last", ["000000000000", "fffffffffff0", "fffffffffffb", "fffffffffffc", "ffffffffffff"])
def test_the_ids_of_many_batches_are_those_of_each(last: str) -> None:
    ingestion = WHOLE[:24] + last
    prefix, numbers = batch_id_parts(ingestion)
    positions = range(2, 5)
    assert [f"{prefix}{number:012x}" for number in numbers(positions)] == [batch_id(ingestion, at) for at in positions]
