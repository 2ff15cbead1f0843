"""Many submissions, and one wait for many ingestions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from app.client import Client, Ingestion, Refused, Submission, TimedOut
from app.core import Priority
from app.core.clock import SystemClock
from tests.support.cli import Service
from tests.support.documents import ingestion, page, status
from tests.support.host import Host
from tests.support.lossy import Lossy
from tests.support.scripted import answer, problem, reset, scripted
from tests.support.sleeper import Sleeper

Make = Callable[..., Client]


def accepted(ingestion_id: str) -> Any:
    return answer(200, {"ingestion_id": ingestion_id})


def listed(*ingestions: dict[str, Any], cursor: str | None = None) -> Any:
    return answer(200, page(*ingestions, cursor=cursor))


class Asked:
    """How often each path of a host was asked for."""

    def __init__(self, host: Host) -> None:
        self.paths: list[str] = []
        host.app.before_request(self._note)

    def _note(self) -> None:
        from flask import request

        self.paths.append(request.path)


@pytest.fixture
def service(serve: Callable[..., Host]) -> Iterator[Service]:
    host = serve(lambda ids: {one: one * one for one in ids}, clock=SystemClock(), interval=0)
    host.asked = Asked(host)  # type: ignore[attr-defined]
    service = Service(host)
    yield service
    service.close()


# -- submit_many --


@pytest.mark.parametrize("ids", ["SKU-1", b"SKU-1"])
def test_a_text_is_no_list_of_ids(ids: Any) -> None:
    with pytest.raises(ValueError, match="put a single id into a list"):
        Submission(ids, "HIGH")


def test_many_are_submitted_in_order_each_under_its_key(client: Make) -> None:
    seen: list[list[str]] = []
    submissions = [Submission([1], "LOW"), Submission(iter([2, 3]), Priority.HIGH, "mine"), Submission([4], "LOW")]
    with scripted(accepted("a"), reset, accepted("b"), accepted("c")) as server:
        ids = client(server.url).submit_many(submissions, progress=lambda now: seen.append([*now]))
    assert list(ids) == ["a", "b", "c"]
    assert seen == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert [request.json["ids"] for request in server.requests] == [[1], [2, 3], [2, 3], [4]]
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[1] == keys[2] == '"mine"'
    assert len(set(keys)) == 3


def test_after_a_refusal_all_can_be_submitted_again(client: Make) -> None:
    submissions = [Submission([1], "LOW"), Submission([2], "LOW")]
    with scripted(accepted("a"), problem(422, "No."), accepted("a"), accepted("b")) as server:
        with pytest.raises(Refused) as caught:
            client(server.url).submit_many(submissions)
        assert caught.value.__notes__ == ["1 submission was accepted before it."]
        assert list(client(server.url).submit_many(submissions)) == ["a", "b"]
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[:2] == keys[2:]


@pytest.mark.parametrize(("before", "told"), [(0, "0 submissions were"), (2, "2 submissions were")])
def test_a_refusal_says_how_many_were_accepted(client: Make, before: int, told: str) -> None:
    with scripted(*[accepted("a")] * before, problem(422, "No.")) as server, pytest.raises(Refused) as caught:
        client(server.url).submit_many([Submission([1], "LOW")] * 3)
    assert caught.value.__notes__ == [f"{told} accepted before it."]


@pytest.mark.parametrize("key", ["", "ä"])
def test_a_submission_has_a_key_that_a_header_can_carry(key: str) -> None:
    with pytest.raises(ValueError, match="An idempotency key is"):
        Submission([1], "LOW", key)


# -- wait_all --


def test_a_poll_for_many_is_two_requests(client: Make, clock: Sleeper) -> None:
    seen: list[Sequence[Ingestion]] = []
    first = [
        ingestion("d"),
        ingestion("a", priority="LOW"),
        ingestion("b", "completed"),
        ingestion("c", created_at="2028-01-01T00:00:00.000Z"),
    ]
    with scripted(
        listed(*first, cursor="9"),
        answer(200, status("triggered", "a", priority="LOW"), Retry_After="12"),
        listed(ingestion("d"), ingestion("a", "failed"), ingestion("c", "completed"), cursor="9"),
    ) as server:
        ended = client(server.url).wait_all(["a", "b", "c"], progress=seen.append)
    assert {one.ingestion_id: one.status for one in ended} == {"a": "failed", "b": "completed", "c": "completed"}
    assert [request.path for request in server.requests] == [
        "/ingestions?limit=100", "/status/a?limit=0", "/ingestions?limit=100",
    ]  # fmt: skip
    assert clock.slept == [12]
    assert [[one.status.value for one in now] for now in seen] == [
        ["triggered", "completed", "triggered"],
        ["failed", "completed", "completed"],
    ]


def test_no_later_poll_reads_the_pages_before_theirs(client: Make) -> None:
    others = [ingestion(f"x{number}") for number in range(3)]
    with scripted(
        listed(*others, cursor="7"),
        listed(ingestion("c"), ingestion("b"), cursor="5"),
        listed(ingestion("a")),
        answer(200, status("completed", "a")),
        listed(ingestion("c", "completed"), ingestion("b", "completed"), cursor="5"),
    ) as server:
        ended = client(server.url).wait_all(["a", "b", "c", "a"])
    assert [one.ingestion_id for one in ended] == ["a", "b", "c", "a"]
    assert [request.path.partition("cursor=")[2] for request in server.requests] == ["", "7", "5", "", "7"]


def test_what_the_listing_does_not_show_is_asked_for_alone(client: Make) -> None:
    with scripted(
        listed(ingestion("abcdef"), ingestion("x")),
        answer(200, status("triggered", "abcdef"), Retry_After="1"),
        answer(200, status("triggered", "abcdef"), Retry_After="1"),
        listed(ingestion("abcdef", "completed"), ingestion("x")),
        answer(200, status("triggered", "x"), Retry_After="1"),
        answer(200, status("completed", "x")),
    ) as server:
        ended = client(server.url).wait_all(["abc", "x"])
    assert [one.ingestion_id for one in ended] == ["abcdef", "x"]
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/ingestions", "/status/abc", "/status/abcdef", "/ingestions", "/status/x", "/status/x",
    ]  # fmt: skip


def test_where_the_listing_shows_none_of_them_it_is_read_from_its_beginning_again(client: Make) -> None:
    with scripted(
        listed(ingestion("x"), cursor="7"),
        listed(ingestion("y"), cursor="5"),
        *[answer(200, status("triggered", name)) for name in "abb"],
        listed(ingestion("b", "completed"), ingestion("a", "completed"), cursor="7"),
    ) as server:
        ended = client(server.url).wait_all(["a", "b"])
    assert [one.status.value for one in ended] == ["completed"] * 2
    cursors = [request.path.partition("cursor=")[2] for request in server.requests if "/ingestions" in request.path]
    assert cursors == ["", "7", ""]


def test_one_that_is_not_known_is_refused(client: Make) -> None:
    unknown = problem(404, "There is no such ingestion.")
    with scripted(listed(), unknown) as server, pytest.raises(Refused, match="There is no such ingestion"):
        client(server.url).wait_all(["a", "b"])


def test_nothing_to_wait_for_takes_no_request(client: Make) -> None:
    assert client("http://127.0.0.1:1").wait_all([]) == ()


def test_waiting_for_many_has_an_end(client: Make, clock: Sleeper) -> None:
    both = listed(ingestion("b", "completed"), ingestion("a"))
    last = answer(200, status("triggered", "a"), Retry_After="20")
    with scripted(both, *[last] * 5) as server, pytest.raises(TimedOut) as caught:
        client(server.url).wait_all(["a", "b"], timeout=30)
    assert str(caught.value) == "1 of 2 ingestions have not ended after 30 s, and continue."
    assert [one.status.value for one in caught.value.statuses] == ["triggered", "completed"]
    assert caught.value.status.ingestion_id == "a"
    assert clock.slept == [20, 10]


# -- against a service --


def test_fifty_over_a_network_that_loses_three_answers_of_four(client: Make, service: Service) -> None:
    lossy = Lossy(service.url)
    through = client(lossy.url, patience=1e9)
    submissions = [Submission([number, number + 1000], "LOW") for number in range(1, 51)]
    try:
        ids = through.submit_many(submissions)
        assert list(through.submit_many(submissions)) == list(ids)
        ended = through.wait_all(ids)
    finally:
        lossy.close()
    assert lossy.lost > 100
    assert [one.status.value for one in ended] == ["completed"] * 50
    assert [one["ingestion_id"] for one in client(service.url).list()] == list(reversed(ids))
    results = [one for each in ids for one in client(service.url).iter_results(each)]
    assert [one.data for one in results] == [one * one for each in submissions for one in each.ids]  # type: ignore[operator]


def test_a_thousand_are_waited_for_in_few_requests(client: Make, service: Service) -> None:
    ids = [service.host.submit([1, 2]).id for _ in range(1000)]
    ended = client(service.url).wait_all(ids)
    assert {one.status.value for one in ended} == {"completed"}
    polls = service.host.asked.paths  # type: ignore[attr-defined]
    assert len(polls) < 50
