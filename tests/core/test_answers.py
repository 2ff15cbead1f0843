"""What is known of the ids of a batch, call by call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.core import COMPLETED, FAILED, RUNNING, WAITING, Answer, Answers, Batch, BatchError, Priority, Status

GONE, BOOM = BatchError("Failed", "no such record"), BatchError("RuntimeError", "boom")
BATCH = Batch("12345678-1234-4234-9234-123456789abc", 0, [10, 20, 30], Status.TRIGGERED, Priority.LOW)


def test_a_batch_of_which_nothing_is_known_is_asked_as_a_whole() -> None:
    answers = Answers(3)
    assert (list(answers.left), list(answers.asked), answers.starts) == ([0, 1, 2], [0, 1, 2], 1)
    assert answers.asking(BATCH) is BATCH


@pytest.mark.parametrize(
    ("alone", "left", "asked", "starts"),
    [(False, [0, 2], [0, 2], 1), (True, [2], [2], 1)],
)
def test_of_others_it_asks_what_is_left(alone: bool, left: Sequence[int], asked: Sequence[int], starts: int) -> None:
    answers = Answers(3, (GONE, '"b"', None), alone)
    assert (list(answers.left), list(answers.asked), answers.starts) == (left, asked, starts)
    batch = answers.asking(BATCH)
    assert (batch.ids, batch.asked, batch.alone) == ([BATCH.ids[nth] for nth in asked], tuple(asked), alone)


def test_alone_each_id_has_a_start() -> None:
    answers = Answers(3, (None, '"b"', None), alone=True)
    assert (list(answers.left), list(answers.asked), answers.starts) == ([0, 2], [0], 2)


def test_a_whole_batch_of_which_all_is_asked_again_is_the_batch() -> None:
    assert Answers(3, (GONE, GONE, GONE)).asking(BATCH) is BATCH


@pytest.mark.parametrize("told", [[], ['"a"', '"b"', '"c"']])
def test_a_batch_that_is_answered_at_once_is_completed(told: list[Answer]) -> None:
    assert Answers(3).after(COMPLETED, None, told, split=True) == (COMPLETED, None, Answers(3, tuple(told)))


def test_answers_to_other_ids_than_it_asked_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Answers(3).after(FAILED, None, ['"a"', GONE], split=False)


def test_what_waits_is_as_it_was() -> None:
    answers = Answers(3, (GONE, '"b"', GONE))
    assert answers.after(WAITING, BOOM, [], split=True) == (WAITING, BOOM, answers)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([GONE, GONE, GONE], GONE.message),
        ([GONE, BOOM, GONE], "3 of 3 ids failed; the first: no such record"),
        (['"a"', BOOM, GONE], "2 of 3 ids failed; the first: boom"),
        ([GONE, '"b"', GONE], "2 of 3 ids failed; the first: no such record"),
    ],
)
def test_a_batch_fails_by_its_first_error_or_the_only_one(told: list[Answer], message: str) -> None:
    state, error, after = Answers(3).after(FAILED, None, told, split=False)
    first = next(one for one in told if isinstance(one, BatchError))
    assert (state, error, after) == (FAILED, BatchError(first.type, message), Answers(3, tuple(told)))


def test_the_summary_of_a_long_message_is_as_long_as_an_error_may_be() -> None:
    _, error, _ = Answers(2).after(FAILED, None, ['"a"', BatchError("Failed", "x" * 2000)], split=False)
    assert error is not None
    assert len(error.message) == 2000


def test_ids_that_go_again_keep_the_answers_of_the_others() -> None:
    answers = Answers(3, (GONE, '"b"', GONE))
    assert answers.after(COMPLETED, None, ['"a"', '"c"'], split=False) == (
        COMPLETED,
        None,
        Answers(3, ('"a"', '"b"', '"c"')),
    )
    for split in (False, True):
        assert answers.after(COMPLETED, None, [], split=split) == (COMPLETED, None, Answers(3, ("null", '"b"', "null")))
    assert answers.after(FAILED, BOOM, [], split=False)[2] == Answers(3, (BOOM, '"b"', BOOM))


def test_a_batch_that_fails_as_a_whole_is_split_if_it_asked_more_than_one() -> None:
    apart = Answers(3, (None, None, None), alone=True)
    assert Answers(3).after(FAILED, BOOM, [], split=True) == (WAITING, BOOM, apart)
    assert Answers(3).after(FAILED, BOOM, [], split=False) == (FAILED, BOOM, Answers(3))
    assert Answers(1).after(FAILED, BOOM, [], split=True) == (FAILED, BOOM, Answers(1))
    some = Answers(3, (GONE, '"b"', GONE))
    assert some.after(FAILED, BOOM, [], split=True) == (WAITING, BOOM, Answers(3, (None, '"b"', None), alone=True))
    one = Answers(3, ('"a"', '"b"', GONE))
    assert one.after(FAILED, BOOM, [], split=True)[::2] == (FAILED, Answers(3, ('"a"', '"b"', BOOM)))


def test_alone_they_are_asked_until_the_last() -> None:
    answers, states = Answers(3, (None, None, None), alone=True), []
    for ended, error, told in ((COMPLETED, None, ['"a"']), (FAILED, GONE, []), (COMPLETED, None, ['"c"'])):
        state, summary, answers = answers.after(ended, error, told, split=True)
        states.append(state)
    assert states == [WAITING, WAITING, FAILED]
    assert summary == BatchError("Failed", "1 of 3 ids failed; the first: no such record")
    assert answers == Answers(3, ('"a"', GONE, '"c"'))


def test_what_failed_is_told_once_the_batch_has() -> None:
    assert Answers(3).of_each(FAILED, BOOM) == [BOOM, BOOM, BOOM]
    assert Answers(3, (GONE, '"b"', None)).of_each(FAILED, BOOM) == [GONE, '"b"', BOOM]
    assert Answers(3).of_each(RUNNING, BOOM) == []
    assert Answers(3, (GONE, '"b"', None)).of_each(RUNNING, None) == [None, '"b"', None]
    assert Answers(3, (GONE, '"b"', None), alone=True).of_each(RUNNING, None) == [GONE, '"b"', None]
