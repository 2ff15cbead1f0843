"""Whatever is sent, the answer is a problem document that says what is wrong with all of it, never a 500."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.support.host import Host

PATHS = ["/ingest", "/quote"]
BODILESS = [
    "/status/{}/cancel",
    "/status/{}/redrive",
    "/status/{}/callback/redrive",
    "/queue/pause",
    "/queue/resume",
    "/queue/hold/end",
    "/queue/rate/reset",
    "/queue/concurrency/reset",
]
"""Where POST has no body, but /logout, which asks for no key and so reads nothing."""


def send(host: Host, body: bytes | str, path: str = "/ingest", **more: Any) -> TestResponse:
    return host.client.post(path, data=body, **{"content_type": "application/json", **more})


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem document, which is well-formed."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    document = response.json
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in response.text
    return document


def faults(response: TestResponse, status: int = 422) -> dict[str, str]:
    """Each fault's detail by its pointer."""
    return {fault["pointer"]: fault["detail"] for fault in problem(response, status)["errors"]}


def nothing_is_queued(host: Host) -> bool:
    return host.client.get("/ingestions").json["ingestions"] == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1, column 1"),
        (b"   ", "not JSON"),
        (b'{"ids": [1, 2', "line 1, column 14"),
        (b'{"ids": [1], "priority": "HIGH"} x', "Extra data"),
        (b"{'ids': [1]}", "double quotes"),
        (b'{"ids": [1,], "priority": "HIGH"}', "not JSON"),
        (b'{"ids": [01], "priority": "HIGH"}', "not JSON"),
        (b'{"ids": [NaN], "priority": "HIGH"}', "NaN"),
        (b'{"ids": [Infinity], "priority": "HIGH"}', "Infinity"),
        (b'{"ids": [-Infinity], "priority": "HIGH"}', "-Infinity"),
        (b'{"ids": [1], "ids": [2], "priority": "HIGH"}', '"ids" is there more than once'),
        (b'{"ids": [{"a": 1, "b": 2, "a": 3}], "priority": "HIGH"}', '"a" is there more than once'),
        (b'{"ids": [1], "priority": "HIGH\xff"}', "byte 30 is 0xff"),
        (b"\xff\xfe{\x00}\x00", "byte 0 is 0xff"),
        (b'\xef\xbb\xbf{"ids": [1], "priority": "HIGH"}', "BOM"),
        (b'{"ids": [1], "priority": "\xed\xa0\x80"}', "byte 26 is 0xed"),
        (b'{"ids": [1], "priority": "a\x00b"}', "control character"),
        (b'{"ids": [' + b"9" * 5000 + b'], "priority": "HIGH"}', "too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"ids": ' + b'{"a":' * 100_000, "nested too deeply"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_json_is_400(host: Host, path: str, body: bytes, says: str) -> None:
    response = send(host, body, path)
    assert list(faults(response, 400)) == ["#"]
    assert says in response.json["detail"]
    assert nothing_is_queued(host)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("[]", "an array"),
        ('"ids"', 'the string "ids"'),
        ("null", "null"),
        ("true", "true"),
        ("3", "3"),
        ("1e999", "a far greater number"),
        ("-1e999", "a far smaller number"),
    ],
)
def test_what_is_not_an_object_is_422(host: Host, body: str, kind: str) -> None:
    assert faults(send(host, body)) == {"#": f"The body must be an object, not {kind}."}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"#/ids": "ids is missing.", "#/priority": "priority is missing."}),
        ({"ids": [1]}, {"#/priority": "priority is missing."}),
        ({"priority": "HIGH"}, {"#/ids": "ids is missing."}),
        ({"ids": []}, {"#/ids": "ids is empty; at least one is needed.", "#/priority": "priority is missing."}),
        (
            {"ids": {"1": 2}, "priority": "HIGH"},
            {"#/ids": "ids must be an array of integers, not an object."},
        ),
        ({"ids": "123", "priority": "HIGH"}, {"#/ids": 'ids must be an array of integers, not the string "123".'}),
        ({"ids": None, "priority": "HIGH"}, {"#/ids": "ids must be an array of integers, not null."}),
        ({"ids": True, "priority": "HIGH"}, {"#/ids": "ids must be an array of integers, not true."}),
        (
            {"ids": [1, True, 2.0, "3", None, [4], {}, 5], "priority": "HIGH"},
            {
                "#/ids/1": "ids[1] must be an integer, not true.",
                "#/ids/2": "ids[2] must be an integer, not 2.0.",
                "#/ids/3": 'ids[3] must be an integer, not the string "3".',
                "#/ids/4": "ids[4] must be an integer, not null.",
                "#/ids/5": "ids[5] must be an integer, not an array.",
                "#/ids/6": "ids[6] must be an integer, not an object.",
            },
        ),
        (
            {"ids": [0, -1, 2**63, 10**4000], "priority": "LOW"},
            {
                "#/ids/0": f"ids[0] must be from 1 to {2**63 - 1}, not 0.",
                "#/ids/1": f"ids[1] must be from 1 to {2**63 - 1}, not -1.",
                "#/ids/2": f"ids[2] must be from 1 to {2**63 - 1}, not {2**63}.",
                "#/ids/3": f"ids[3] must be from 1 to {2**63 - 1}, not a far greater number.",
            },
        ),
        (
            {"ids": [1], "priority": "high"},
            {"#/priority": 'priority must be HIGH, MEDIUM or LOW, not "high".'},
        ),
        (
            {"ids": [1], "priority": "\ud800"},
            {"#/priority": 'priority must be HIGH, MEDIUM or LOW, not "\\ud800".'},
        ),
        ({"ids": [1], "priority": 1}, {"#/priority": "priority must be HIGH, MEDIUM or LOW, not 1."}),
        ({"ids": [1], "priority": None}, {"#/priority": "priority must be HIGH, MEDIUM or LOW, not null."}),
        ({"ids": [1], "priority": ["HIGH"]}, {"#/priority": "priority must be HIGH, MEDIUM or LOW, not an array."}),
        (
            {"ids": [1], "priority": "LOW", "Ids": 1, "a/b~c ü": 2, "\ud800": 3},
            {
                "#/Ids": '"Ids" is not a member of this request; those are ids, priority, deadline, callback, fresh.',
                "#/a~1b~0c%20%C3%BC": '"a/b~c \\u00fc" is not a member of this request; '
                "those are ids, priority, deadline, callback, fresh.",
                "#/%5Cud800": '"\\ud800" is not a member of this request; '
                "those are ids, priority, deadline, callback, fresh.",
            },
        ),
        (
            {"ids": [False], "priority": "urgent", "deadline": [], "speed": 9},
            {
                "#/speed": '"speed" is not a member of this request; '
                "those are ids, priority, deadline, callback, fresh.",
                "#/ids/0": "ids[0] must be an integer, not false.",
                "#/priority": 'priority must be HIGH, MEDIUM or LOW, not "urgent".',
                "#/deadline": "deadline must be an RFC 3339 time with its offset, or seconds from now, not an array.",
            },
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("path", PATHS)
def test_every_fault_is_named(host: Host, path: str, body: Any, expected: dict[str, str]) -> None:
    response = send(host, json.dumps(body), path)
    assert faults(response) == expected
    detail = next(iter(expected.values())) if len(expected) == 1 else f"{len(expected)} things are wrong; see errors."
    assert response.json["detail"] == detail
    assert nothing_is_queued(host)


def test_the_bounds_are_those_of_the_settings(serve: Callable[..., Host]) -> None:
    host = serve(id_min=-5, id_max=5, max_ids=3)
    assert list(faults(send(host, '{"ids": [-6, -5, 6], "priority": "LOW"}'))) == ["#/ids/0", "#/ids/2"]
    assert faults(send(host, '{"ids": [1, 2, 3, 4], "priority": "LOW"}')) == {
        "#/ids": "ids has 4 members; at most 3 are accepted."
    }
    assert send(host, '{"ids": [-5, 0, 5], "priority": "LOW"}').status_code == 200


def test_the_list_of_faults_has_an_end(host: Host) -> None:
    found = faults(send(host, json.dumps({"ids": [None] * 5000, "priority": "LOW"})))
    assert len(found) == 101
    assert found["#/ids"] == "4900 more members of ids are wrong as well."


def test_the_list_of_unknown_members_has_an_end(host: Host) -> None:
    body = {"ids": [1], "priority": "LOW", **{f"member {number}": 1 for number in range(5000)}}
    found = faults(send(host, json.dumps(body)))
    assert len(found) == 101
    assert found["#"] == "4900 more members are not known either."


def test_a_duplicate_among_very_many_members_is_found_in_time(host: Host) -> None:
    members = ",".join(f'"{number}":0' for number in range(60_000))
    begun = time.monotonic()
    response = send(host, f'{{{members},"59999":1}}')
    assert '"59999" is there more than once' in problem(response, 400)["detail"]
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_media_type_is_415(host: Host, path: str, content_type: str) -> None:
    response = send(host, '{"ids": [1], "priority": "HIGH"}', path, content_type=content_type)
    assert "Send application/json" in problem(response, 415)["detail"]
    assert nothing_is_queued(host)


@pytest.mark.parametrize("path", [*PATHS, "/queue/pause"])
@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_415(host: Host, path: str, coding: str, encode: Callable[[bytes], bytes]) -> None:
    body = encode(b'{"ids": [1], "priority": "HIGH"}')
    response = send(host, body, path, headers={"Content-Encoding": coding})
    said = f'Send the body as it is, not in the Content-Encoding "{coding}".'
    assert problem(response, 415)["detail"] == said
    assert response.headers["Accept-Encoding"] == "identity"
    assert nothing_is_queued(host)


def test_the_coding_identity_is_none(host: Host) -> None:
    headers = {"Content-Encoding": "Identity"}
    assert send(host, '{"ids": [1], "priority": "HIGH"}', headers=headers).status_code == 200
    assert list(faults(send(host, "{", headers=headers), 400)) == ["#"]


@pytest.mark.parametrize("path", PATHS)
def test_a_body_beyond_any_use_is_413(serve: Callable[..., Host], path: str) -> None:
    host = serve(max_ids=10)
    problem(send(host, b" " * 66_000, path), 413)
    ids = ", ".join(["-9223372036854775808"] * 10)
    assert send(host, f'{{"ids": [{ids}], "priority": "LOW"}}', path).status_code == 422


def test_a_host_with_a_limit_of_its_own_keeps_it_elsewhere(serve: Callable[..., Host]) -> None:
    host = serve()
    host.app.config["MAX_CONTENT_LENGTH"] = 10
    assert send(host, '{"ids": [1], "priority": "HIGH"}').status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("length", ["132", "many", "-1"])
def test_a_body_of_another_length_than_told_is_400(host: Host, path: str, length: str) -> None:
    body = '{"ids": [1], "priority": "HIGH"}'
    problem(send(host, body, path, environ_overrides={"CONTENT_LENGTH": length}), 400)
    assert nothing_is_queued(host)


def in_force(host: Host) -> Any:
    """What the routes without a body would change."""
    queue = host.client.get("/queue").json
    counts = [one["counts"] for one in host.client.get("/ingestions").json["ingestions"]]
    names = ["paused", "paused_owners", "hold_until", "rate", "concurrency"]
    return counts, [queue[name] for name in names], host.client.get("/audit").json["entries"]


@pytest.mark.parametrize("path", BODILESS)
def test_a_body_where_none_is_read_is_refused_by_name(serve: Callable[..., Host], path: str) -> None:
    host = serve()
    path = path.format(host.submit([1, 2, 3, 4]).id)
    host.client.post("/queue/rate", json={"interval": 7})
    host.client.post("/queue/concurrency", json={"concurrency": 2})
    before = in_force(host)
    assert faults(send(host, '{"dry_run": true, "a/b": 1}', path)) == {
        "#/dry_run": '"dry_run" is not a member of this request; it takes no body.',
        "#/a~1b": '"a/b" is not a member of this request; it takes no body.',
    }
    problem(send(host, b" " * 70_000 + b"{}", path), 413)
    assert faults(send(host, "[]", path)) == {"#": "This request takes no body."}
    assert faults(send(host, "null", path)) == {"#": "This request takes no body."}
    assert list(faults(send(host, b"garbage", path), 400)) == ["#"]
    problem(send(host, "dry_run=true", path, content_type="application/x-www-form-urlencoded"), 415)
    assert in_force(host) == before


@pytest.mark.parametrize(
    ("path", "name"),
    [("/queue/pause", "priority"), ("/queue/resume", "owner"), ("/queue/concurrency/reset", "worker")],
)
def test_what_belongs_in_the_query_is_said_to(host: Host, path: str, name: str) -> None:
    detail = f'"{name}" is not a member of this request; it takes no body, but {name} in its query.'
    assert faults(send(host, json.dumps({name: "x"}), path)) == {f"#/{name}": detail}
    assert in_force(host)[1][:2] == [False, []]


@pytest.mark.parametrize("body", ["", "{}", " {\n} "])
def test_an_empty_body_is_none(host: Host, body: str) -> None:
    assert send(host, body, "/queue/pause").json["paused"]


def test_no_route_ignores_a_body(host: Host) -> None:
    rules = [rule.rule for rule in host.app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(rules) > len(BODILESS)
    rules.remove("/logout")
    assert send(host, b"x" * 100_000, "/logout").status_code == 204
    ingestion_id = host.submit([1]).id
    for rule in rules:
        sent = send(host, '{"stauts": 1}', rule.replace("<ingestion_id>", ingestion_id))
        assert sent.status_code == 422, rule


@pytest.mark.parametrize(
    "deadline", ["tomorrow", "", "2027-01-15", "2027-01-15T08:00:00", "12:00:00Z", 0, -1, True, [], {}, 1e11, "\ud800"]
)
def test_a_deadline_that_is_no_time_is_refused(host: Host, deadline: Any) -> None:
    body = {"ids": [1], "priority": "HIGH", "deadline": deadline}
    assert list(faults(send(host, json.dumps(body)))) == ["#/deadline"]


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "priority=high",
        "priority=",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "cursor=x",
        "cursor=-1",
        "limit=%D9%A1",
        "since=soon",
        "since=2027-01-15T08:00:00",
        "until=-5",
    ],
)
def test_a_bad_filter_of_the_listing_is_refused_by_name(host: Host, query: str) -> None:
    response = host.client.get(f"/ingestions?{query}")
    name = query.partition("=")[0]
    assert list(faults(response)) == [f"query {name}"]
    assert name in response.json["detail"]


def test_a_wrong_priority_is_named_in_the_same_words_wherever_it_is_sent(host: Host) -> None:
    bodies = {"/ingest": {"ids": [1]}, f"/status/{host.submit([1]).id}/move": {}, "/ingestions/cancel": {}}
    sent = [send(host, json.dumps(body | {"priority": "high"}), path) for path, body in bodies.items()]
    sent += [host.client.get(f"/{path}?priority=high") for path in ("ingestions", "failures")]
    sent.append(host.client.post("/queue/pause?priority=high"))
    found = [said for response in sent for said in faults(response).items()]
    where = ["#/priority"] * 3 + ["query priority"] * 3
    assert found == [(one, 'priority must be HIGH, MEDIUM or LOW, not "high".') for one in where]


@pytest.mark.parametrize(
    ("method", "path", "query", "names"),
    [
        ("post", "/queue/pause", "priority=LOW&priority=HIGH", ["priority"]),
        ("get", "/ingestions", "status=failed&limit=5&status=completed&limit=5", ["status", "limit"]),
        ("get", "/status/{}", "limit=0&limit=", ["limit"]),
        ("get", "/failures/ids", "group=a&%67roup=b", ["group"]),
    ],
)
def test_a_query_member_given_twice_is_refused_by_name(
    host: Host, method: str, path: str, query: str, names: list[str]
) -> None:
    url = f"{path.format(host.submit([1]).id)}?{query}"
    expected = {f"query {name}": f"{name} is there more than once; give one value." for name in names}
    assert faults(host.client.open(url, method=method)) == expected
    assert not any(level["paused"] for level in host.client.get("/queue").json["priorities"].values())


def test_an_empty_part_of_a_query_is_nothing(host: Host) -> None:
    assert host.client.get("/ingestions?&&limit=5&").status_code == 200


def test_a_number_beyond_any_is_told_its_bounds(host: Host) -> None:
    response = host.client.get(f"/status/{host.submit([1]).id}?limit={10**20 - 1}")
    assert faults(response) == {"query limit": f"limit must be a whole number from 0 to {2**63 - 1}."}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
requests = st.fixed_dictionaries(
    {},
    optional={"ids": anything | st.lists(st.integers()), "priority": anything | st.just("LOW"), "deadline": anything},
)
garbage = (
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.text('[]{}",:0123456789eE+-.truefalsn\\u \n', max_size=60).map(str.encode)
    | (anything | requests).map(lambda body: json.dumps(body).encode())
)
sent = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@sent
@given(body=garbage, path=st.sampled_from(PATHS))
@example(body=b'{"ids":[1],"priority":"LOW","deadline":"9999-12-31T23:59:59-23:59"}', path="/ingest")
@example(body=b'{"ids":[1],"priority":"LOW","deadline":"0001-01-01T00:00:00+23:59"}', path="/ingest")
def test_garbage_is_never_a_500(host: Host, body: bytes, path: str) -> None:
    response = send(host, body, path)
    if response.status_code != 200:
        assert response.status_code in (400, 422)
        problem(response, response.status_code)


@sent
@given(deadline=st.text(max_size=30) | st.datetimes(timezones=st.timezones() | st.none()).map(str) | st.floats())
def test_a_strange_deadline_is_never_a_500(host: Host, deadline: Any) -> None:
    response = send(host, json.dumps({"ids": [1], "priority": "HIGH", "deadline": deadline}))
    assert response.status_code in (200, 400, 422)


@sent
@given(
    path=st.sampled_from(["/status/x", "/ingestions", "/dispatches", "/results/x"]),
    query=st.dictionaries(st.sampled_from(["limit", "offset", "cursor", "status", "priority"]), st.text(max_size=30)),
    key=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300),
)
def test_a_strange_query_or_key_is_never_a_500(host: Host, path: str, query: dict[str, str], key: str) -> None:
    assert host.client.get(path, query_string=query).status_code in (200, 404, 422)
    headers = {"Idempotency-Key": key}
    response = host.client.post("/ingest", json={"ids": [1], "priority": "LOW"}, headers=headers)
    assert response.status_code in (200, 422)
