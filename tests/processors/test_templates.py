"""Where ids go in a request: the URL's path and query, and the body."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.errors import ConfigError, PermanentError
from app.processors.http.templates import Asks
from tests.support.queueing import settings

JOINED = "/records?filter={% for id in ids %}doi:{{ id }}{% if not loop.last %},{% endif %}{% endfor %}"
OBJECTS = """{"properties": ["name"], "inputs": [
  {% for id in ids %}{"id": {{ id|string }}}{% if not loop.last %},{% endif %}{% endfor %}
]}"""

printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=200)


def asks(target: str, body: str = "") -> Asks:
    changes: dict[str, Any] = {"upstream_body": body, "upstream_method": "POST"} if body else {}
    return Asks(target, settings(**changes), "TWO_")


def string_asks(target: str) -> Asks:
    return Asks(target, settings(id_type="string"), "TWO_")


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("/{ids}", "/1,2,3"),
        ("/x?ids={ids}&full=1", "/x?ids=1,2,3&full=1"),
        ("/{{ ids|join('|') }}", "/1%7C2%7C3"),
        ("/{{ids|join('|')}}?all={ids}", "/1%7C2%7C3?all=1,2,3"),
        (JOINED, "/records?filter=doi:1,doi:2,doi:3"),
        ("/x?{% for id in ids %}&id={{ id }}{% endfor %}", "/x?&id=1&id=2&id=3"),
        ("/x?ids={{ ids|map('urlencode')|join(';') }}", "/x?ids=1;2;3"),
        ("/x?first={{ ids[0] }}&all={{ ids|length }}{{ '&many' if ids|length > 9 }}", "/x?first=1&all=3"),
        ("/x?ids={{ ids|tojson }}", "/x?ids=%5B1%2C%202%2C%203%5D"),
        ("/{% macro one(id) %}{{ id }}/{% endmacro %}{% for id in ids %}{{ one(id) }}{% endfor %}", "/1/2/3/"),
        ('/x?q={"in":[{ids}]}', '/x?q={"in":[1,2,3]}'),
    ],
)
def test_a_batch_makes_one_request(target: str, made: str) -> None:
    one = asks(target)
    assert not one.each
    assert one.of([1, 2, 3]) == (made, None)


@pytest.mark.parametrize(
    ("target", "made"), [("/{id}", "/7"), ("/{{ id }}/x", "/7/x"), ("/{{ '%07d' % id }}", "/0000007")]
)
def test_each_id_makes_one_request(target: str, made: str) -> None:
    one = asks(target)
    assert one.each
    assert one.of([7]) == (made, None)


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ('{"ids": {{ ids }}}', {"ids": [1, 2]}),
        ('{"ids": {{ ids|tojson }}}', {"ids": [1, 2]}),
        ('{"ids": [{{ ids|map("tojson")|join(",") }}]}', {"ids": [1, 2]}),
        ('{"ids": [{{ ids|commas }}]}', {"ids": [1, 2]}),
        ('{"q": {{ ids|join("&")|urlencode }}}', {"q": "1%262"}),
        ('{"q": {{ ids|join(" OR ") }}}', {"q": "1 OR 2"}),
        (OBJECTS, {"properties": ["name"], "inputs": [{"id": "1"}, {"id": "2"}]}),
        ('{"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "variables": {"i": {{ ids|map("string")|list }}}}',
         {"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "variables": {"i": ["1", "2"]}}),
    ],
)  # fmt: skip
def test_a_body_is_json(body: str, made: Any) -> None:
    target, sent = asks("/batch/read", body).of([1, 2])
    assert target == "/batch/read"
    assert sent is not None
    assert json.loads(sent) == made


def test_a_body_may_be_for_each_id() -> None:
    one = asks("/read", '{"id": {{ id }}}')
    assert one.each
    assert one.of([7]) == ("/read", b'{"id": 7}')


@given(st.lists(printable, min_size=1, max_size=5))
def test_no_id_is_anything_but_data(ids: list[str]) -> None:
    assume(not {one.partition(";")[0] for one in re.split(r"[/\\]", ids[0])} & {".", ".."})  # refused, see below
    target, body = asks("/a/{{ ids[0] }}/b?q={{ ids|join(' ') }}&ids={ids}", OBJECTS).of(ids)
    parts = urlsplit("http://localhost" + target)
    assert [unquote(part) for part in parts.path.split("/")] == ["", "a", ids[0], "b"]
    assert parse_qs(parts.query, keep_blank_values=True, strict_parsing=True) == {
        "q": [" ".join(ids)],
        "ids": [",".join(ids)],
    }
    assert [unquote(one) for one in parts.query.rpartition("=")[2].split(",")] == ids
    assert body is not None
    assert json.loads(body)["inputs"] == [{"id": one} for one in ids]


@pytest.mark.parametrize("one", [".", ".."])
def test_an_id_that_would_lead_to_another_path_is_refused(one: str) -> None:
    for target in ("/records/{id}/data", "/{{ ids|join(',') }}", "/records/{{ id }}?all=1"):
        with pytest.raises(PermanentError, match="cannot be part of a URL's path"):
            asks(target).of([one])
    assert asks("/records?id={id}").of([one]).target == f"/records?id={one}"


CUT = "/objects/{{ id[:2] }}/{{ id[2:] }}"


@pytest.mark.parametrize(
    ("target", "one"),
    [
        (CUT, "..users"),
        (CUT, "u/.."),
        (CUT, "ab"),
        ("/objects/{{ id[:2] }}/{{ id[2:4] }}/{{ id[4:] }}", "abcd"),
        ('/{{ id|replace("-", "") }}', ".-."),
        ('/{{ id|replace("-", "") }}', "-"),
        ('/{{ id|lower|trim("x") }}/x', "..X"),
        ("/x/.{id}", "."),
        ("/x/%2e{id}", "."),
        ("/x/{id};v=1", ".."),
        ("/x/{id}", "../users"),
        ("/x/{id}", "a/../../users"),
        ("/x/{id}", "..\\users"),
        ("/x/{id}", "..;a/users"),
        ("/x/../{id}", ".."),
        ("/x/./{id}", ".."),
        ("/x/../{{ id[2:] }}", "ab.."),
        ("/x/.{{ id|replace('-', '') }}", "-"),
        ("/x/{{ id }}#{{ id }}", ".."),
        ("/x/{% set made %}{{ id|lower }}{% endset %}{{ made|replace('x', '') }}", "x..x"),
    ],
)
def test_nothing_that_a_template_makes_of_an_id_leads_to_another_path(target: str, one: str) -> None:
    with pytest.raises(PermanentError, match="cannot be part of a URL's path") as caught:
        string_asks(target).of([one])
    assert str(caught.value) == f"The id {one!r} cannot be part of a URL's path."


def test_of_several_ids_the_one_that_does_is_named() -> None:
    each = string_asks("/{% for id in ids %}{{ id }}/{% endfor %}")
    assert each.of(["a", "b"]).target == "/a/b/"
    with pytest.raises(PermanentError, match=r"^The id '\.\.' cannot be part of a URL's path\.$"):
        each.of(["a", "..", "."])
    with pytest.raises(PermanentError, match=r"^These ids cannot be part of a URL's path\.$"):
        string_asks("/{{ ids|join|replace('ab', '') }}").of(["..a", "b"])


@pytest.mark.parametrize(
    ("target", "one", "made"),
    [
        ("/x/../{id}", "a..b", "/x/../a..b"),
        ("/x//{id}/", "...", "/x//.../"),
        ("/x/{id}?in={{ id }}&..", "a", "/x/a?in=a&.."),
        ("/x?in=/{{ id }}/", "..", "/x?in=/../"),
        (CUT, "10.1/x", "/objects/10/.1%2Fx"),
    ],
)
def test_what_a_template_has_itself_is_kept(target: str, one: str, made: str) -> None:
    assert string_asks(target).of([one]).target == made


@pytest.mark.parametrize(
    ("target", "body", "words"),
    [
        ("/", "", "TWO_UPSTREAM_URL must hold either {ids} or {id}"),
        ("/{ids}/{{ id }}", "", "TWO_UPSTREAM_URL must hold either {ids} or {id}"),
        ("/{{ idss }}", "", "TWO_UPSTREAM_URL must hold either {ids} or {id}"),
        ("/", "{}", "at the place where the ids go, or TWO_UPSTREAM_BODY one of them."),
        ("/{id}", '{"ids": {{ ids }}}', "TWO_UPSTREAM_URL must hold either {ids} or {id}"),
        ("/{ids}?{{ more }}", "", "TWO_UPSTREAM_URL fails in line 1: 'more' is undefined"),
        ("/{{ ids|joined }}", "", "TWO_UPSTREAM_URL fails in line 1: No filter named 'joined'"),
        ("/{{ ids }", "", "TWO_UPSTREAM_URL fails in line 1: unexpected '}'"),
        ("/{ids}?a={{ 1/0 }}", "", "TWO_UPSTREAM_URL fails in line 1: division by zero"),
        ("/", '{\n"a": {{ ids }\n}', "TWO_UPSTREAM_BODY fails in line 2: unexpected '}'"),
        ("/", '{\n\n"a": {{ ids[9].name }}}', "TWO_UPSTREAM_BODY fails in line 3: "),
        ("/", '{"a": {{ ids.__class__.__mro__ }}}', "_BODY fails in line 1: access to attribute '__class__'"),
        ("/", '{"a":\n[{% for id in ids %}{{ id }},{% endfor %}]}', "TWO_UPSTREAM_BODY fails: it makes no JSON: "),
        ("/", "ids={{ ids }}", "TWO_UPSTREAM_BODY fails: it makes no JSON: Expecting value: line 1 column 1"),
        ("/", '{"a": NaN, "b": {{ ids }}}', "TWO_UPSTREAM_BODY fails: it makes no JSON: NaN is not JSON"),
        ("/", '{"a": {{ ids.append }}}', "TWO_UPSTREAM_BODY fails in line 1: "),
        ("/{{ ids|join('-')|safe }}", "", "TWO_UPSTREAM_URL fails in line 1: No filter named 'safe'"),
        ("/", '{% include "passwd" %}{{ ids }}', "TWO_UPSTREAM_BODY fails in line 1: "),
    ],
)  # fmt: skip
def test_a_template_that_fails_stops_the_start_with_its_place(target: str, body: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        asks(target, body)
    assert words in str(caught.value)


def test_a_list_that_fails_for_one_id_alone_is_found_at_the_start() -> None:
    with pytest.raises(ConfigError, match="TWO_UPSTREAM_BODY fails: it makes no JSON"):
        asks("/", '{"a": {{ ids[0] }}{% if ids|length > 1 %}, "b": 2{% else %},{% endif %}}')


def test_a_template_that_fails_later_fails_its_batch() -> None:
    one = asks("/{{ ids|join('-') }}?{{ 7 // (ids[0] - 9) }}")
    with pytest.raises(PermanentError, match=r"^TWO_UPSTREAM_URL fails in line 1: .*division"):
        one.of([9])


def test_what_a_template_writes_for_so_many_ids_is_its_own() -> None:
    one = asks("/items/{% if ids|length == 1 %}{{ ids[0] }}{% else %}?ids={{ ids|join(',') }}{% endif %}")
    assert [one.of([1] * count).target for count in (1, 2, 5)] == [
        "/items/1",
        "/items/?ids=1%2C1",
        "/items/?ids=1%2C1%2C1%2C1%2C1",
    ]
    assert asks("/{% for one in ids %}{{ one }}/./{% endfor %}").of([1, 2, 3, 4]).target == "/1/./2/./3/./4/./"


def test_an_id_of_two_parts_may_be_two_segments() -> None:
    one = string_asks("/repos/{{ id.split('/')[0] }}/{{ id.split('/')[1] }}")
    assert one.of(["owner/repo"]).target == "/repos/owner/repo"
    with pytest.raises(PermanentError, match="cannot be part of a URL's path"):
        one.of(["../repo"])
