"""What a batch needs of what is known, and how long an answer is kept that nobody uses."""

from __future__ import annotations

from array import array

from app.core import Answers, Known, Mark, Need, forgotten_by, leading, need_of
from tests.support.queueing import settings


def test_it_is_kept_as_long_as_it_may_serve_and_as_its_ingestion() -> None:
    assert forgotten_by(settings(fresh=60, retention=5), 100.0) == 40.0
    assert forgotten_by(settings(fresh=5, retention=60), 100.0) == 40.0
    assert forgotten_by(settings(retention=0.5), 100.0) == 99.5


def test_ids_that_were_accepted_without_it_are_asked_whoever_else_asks_them() -> None:
    known = {1: Known('"a"', Mark(5.0, 1)), 2: Known(asker=(7, 0))}
    assert need_of(Answers(2), [1, 2], None, known) == Need(Answers(2))
    assert need_of(Answers(2), [1, 2], Mark(4.0, 1), known) == Need(Answers(2, ('"a"', None)), [1], (7, 0))


def test_without_it_no_batch_is_served_when_it_is_submitted() -> None:
    ids = array("q", [1, 2])
    known = {one: Known(f"{one}", Mark(5.0, 1)) for one in ids}
    assert leading(ids, 1, None, lambda _: known) == []
    assert leading(ids, 1, Mark(4.0, 1), lambda _: known) == [("1",), ("2",)]
