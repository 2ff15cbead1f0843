"""What is masked in an error's message, and how errors fall into groups."""

from __future__ import annotations

import string
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import BatchError, Failure, Priority, group_of, grouped
from app.core.masks import masked


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no record 4711", "no record …"),
        ("id 8889ca6d-5480-4139-b43e-d3e27fabaab1 is gone", "id … is gone"),
        ("object at 0x7f3a12 and deadbeefcafe", "object at … and …"),
        ("no mail for bob.smith@example.org", "no mail for …"),
        ("GET https://api.example.org/v1/records/4711?ids=1,2&key=abc", "GET https://api.example.org/…/records/…"),
        ("https://bob:hunter@example.org/a", "https://…@example.org/a"),
        ("connection to 10.0.0.17:8080 refused", "connection to … refused"),
        ("'alice'", "'…'"),
        ("can't find 'alice'", "can't find '…'"),
        ('{"error":"try again later","id":"SKU-12"}', '{"…":"try again later","…":"…"}'),
        ("the upstream answered 503: try later", "the upstream answered 503: try later"),
        ("HTTP/1.1 502 Bad Gateway", "HTTP/… 502 Bad Gateway"),
        ("status 404 for 4711", "status 404 for …"),
        ("timed out after 30.5 s", "timed out after … s"),
        ("bad\nluck\x1b[31m", "…[…"),
        ("it answered 503 to GET /records/plum,fig: busy", "it answered 503 to GET /…: busy"),
        ("it did not answer POST /records/plum for id plum.", "it did not answer POST /…."),
        ("it answered 500 to GET / for id plum", "it answered 500 to GET /…"),
        ("boom", "boom"),
    ],
)
def test_what_differs_is_masked(message: str, said: str) -> None:
    assert masked(message) == said


SECRETS = st.text(string.ascii_letters + string.digits + "+/_-", min_size=8, max_size=60)


@given(
    secret=SECRETS,
    around=st.sampled_from(
        [
            "GET https://example.org/a?key={} failed",
            "https://user:{}@example.org/a",
            "Authorization: Bearer {}",
            "Proxy-Authorization: Basic {}==",
            "Authorization: {}",
            "bearer {} is not valid",
            "api_key={}&a=b",
            "X-Api-Key: {}",
            '{{"access_token": "{}"}}',
            "the password '{}' is wrong",
            "client_secret = {}",
            "signature={};",
            "Cookie: {}",
        ]
    ),
)
def test_no_secret_is_shown(secret: str, around: str) -> None:
    assert secret not in masked(around.format(secret))


@given(st.text(max_size=300))
def test_any_message_has_a_mask_of_one_printable_line(message: str) -> None:
    said = masked(message)
    assert said.isprintable()
    assert len(said) <= 301
    assert masked(message) == said


def test_a_long_message_is_cut_and_says_so() -> None:
    assert masked("a b " * 100) == "a b " * 75 + "…"
    assert masked("a b " * 75) == "a b " * 75


@given(number=st.integers(0, 10**12), other=st.integers(0, 10**12))
def test_errors_that_differ_in_ids_are_of_one_group(number: int, other: int) -> None:
    texts = [
        (f"no record {one} at {uuid4()} (try {one * 7 + 1})", f"https://example.org/{one}?q={one} for 'SKU-{one}'")
        for one in (number, other)
    ]
    for first, second in zip(*texts, strict=True):
        assert group_of(BatchError("E", first)) == group_of(BatchError("E", second))
    assert group_of(BatchError("E", "a")).id != group_of(BatchError("F", "a")).id
    assert len(group_of(BatchError("E", "a")).id) == 12


def test_a_group_names_each_of_ten_ingestions_once() -> None:
    found = [Failure((9.0, nth, 0), f"{nth // 2:036}", Priority.LOW, None, BatchError("E", "a")) for nth in range(30)]
    ((group,), _) = grouped(found, 1)
    assert (group.count, group.ingestions) == (30, [f"{nth:036}" for nth in range(10)])


FAILURES = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcdef")), max_size=40)


@given(FAILURES, st.integers(1, 4))
def test_pages_hold_each_group_once_with_all_it_has(told: list[tuple[int, str]], limit: int) -> None:
    failures = [
        Failure((float(at), nth, 0), f"{nth:036}", Priority.LOW, None, BatchError("E", word))
        for nth, (at, word) in enumerate(told)
    ]
    failures.sort(key=lambda one: one.spot, reverse=True)
    groups, after = grouped(failures, limit)
    while after is not None:
        assert len(groups) % limit == 0
        more, after = grouped(failures, limit, after)
        assert more
        groups += more
    assert sorted(group.key.message for group in groups) == sorted({word for _, word in told})
    assert [group.latest.spot for group in groups] == sorted((group.latest.spot for group in groups), reverse=True)
    for group in groups:
        of_it = [one for one in failures if one.error.message == group.key.message]
        assert group.count == len(of_it)
        assert (group.latest, group.first_at) == (of_it[0], of_it[-1].at)
        assert group.ingestions == [one.ingestion_id for one in of_it][:10]
