"""A request for more or fewer batches at once: how many, and at which worker."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import Concurrency, WorkerReport, check_concurrency, named_worker
from app.errors import InvalidRequest, UnknownWorker
from tests.support.queueing import settings

WORKERS = [WorkerReport(f"{number}" * 8, "here", number, "0.2.0", 4, 0, 0) for number in (1, 2)]
WRONG: list[Any] = [0, 4, 1.5, True, "2", None, float("nan")]


def test_by_its_host_its_id_or_the_beginning_of_that() -> None:
    assert named_worker(None, WORKERS) is None
    assert named_worker("here", WORKERS) == "here"
    assert named_worker("1", WORKERS) == named_worker("1" * 8, WORKERS) == "1" * 8


@pytest.mark.parametrize("text", ["", "x" * 61, "3"])
def test_any_other_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UnknownWorker) as refused:
        named_worker(text, WORKERS)
    those = "those that work on it are: 11111111 on here, 22222222 on here."
    assert str(refused.value) == f"{text[:60]!r} is no worker or host of this queue; {those}"
    with pytest.raises(UnknownWorker, match="those that work on it are: none"):
        named_worker(text, [])


@pytest.mark.parametrize(("count", "found"), [(1, 1), (3, 3), (2.0, 2)])
def test_a_count_is_a_whole_number_up_to_the_setting(count: float, found: int) -> None:
    assert check_concurrency({"concurrency": count}, settings(concurrency=1, concurrency_most=3)) == found


@pytest.mark.parametrize(
    "body", [None, [], {}, {"count": 2}, {"concurrency": 2, "more": 1}, *({"concurrency": one} for one in WRONG)]
)
def test_any_other_body_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequest):
        check_concurrency(body, settings(concurrency=1, concurrency_most=3))


def test_it_is_changed_for_each_or_for_some() -> None:
    unchanged = Concurrency()
    assert [bool(one) for one in (unchanged, Concurrency(2), Concurrency(None, {"here": 2}))] == [False, True, True]
    changed = unchanged.change(None, 2, WORKERS).change("1" * 8, 3, WORKERS)
    assert [changed.of(worker, settings()) for worker in WORKERS] == [3, 2]
    assert [unchanged.of(worker, settings()) for worker in WORKERS] == [4, 4]
    assert changed.change(None, None, WORKERS) == unchanged


def test_what_was_set_under_another_configuration_holds_as_far_as_it_may() -> None:
    set_then, (one, _) = Concurrency(6, {"there": 9}), WORKERS
    assert [set_then.of(one, settings(concurrency_most=most)) for most in (1, 5, 6, 7)] == [4, 5, 6, 6]
    assert set_then.of(one._replace(host="there"), settings(concurrency_most=7)) == 7
    assert set_then.of(one._replace(slots=1), settings()) == 1


def test_a_refusal_names_five_workers() -> None:
    many = [WorkerReport(f"{number}", "here", number, "0.2.0", 4, 0, 0) for number in range(1, 8)]
    with pytest.raises(UnknownWorker, match=r"are: 1 on here, 2 on here, 3 on here, 4 on here, 5 on here\.$"):
        named_worker("there", many)


def test_an_id_that_is_gone_is_forgotten_and_a_host_is_not_whatever_its_name() -> None:
    gone = "8d0b2a4e-1c3f-4a5b-9c7d-0123456789ab"
    hosts = {"cafe": 3, "h" * 36: 2}
    assert Concurrency(None, {gone: 2} | hosts).change("here", 4, WORKERS).some == hosts | {"here": 4}
