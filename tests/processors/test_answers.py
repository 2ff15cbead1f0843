"""What an answer says of each id, found by JMESPath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import ConfigError, HoldQueue, InvalidResult
from app.processors import Failed
from app.processors.http import HttpUpstream
from tests.support.queueing import settings
from tests.support.upstream import Exchange, Upstream

Serve = Callable[[Callable[[Exchange], None]], Upstream]
NOTHING = Failed("The upstream {} has nothing for it.")


def asked(serve: Serve, data: Any, ids: list[Any], path: str = "/{ids}", **changes: Any) -> Any:
    """What becomes of an answer; `{}` in a reason stands for the host."""
    upstream = serve(lambda exchange: exchange.reply(data))
    prefixed = {f"upstream_{name}": value for name, value in changes.items()}
    found = HttpUpstream(settings(upstream_url=upstream.url + path, **prefixed))(ids)
    if found is None:
        return None
    host = upstream.url.partition("//")[2]
    return {
        one: Failed(item.reason.replace(host, "{}")) if isinstance(item, Failed) else item
        for one, item in found.items()
    }


ITEMS = {"data": {"items": [{"id": 2, "n": "two"}, None, {"id": "1", "n": "one"}, {"id": 9, "n": "unasked"}]}}


def test_items_are_matched_by_their_ids_in_any_order(serve: Serve) -> None:
    found = asked(serve, ITEMS, [1, 2, 3], results="data.items", result_id="id")
    assert found == {2: {"id": 2, "n": "two"}, 1: {"id": "1", "n": "one"}}


def test_an_id_without_an_item_may_be_a_failure(serve: Serve) -> None:
    found = asked(serve, ITEMS, [1, 2, 3], results="data.items", result_id="id", missing="fail")
    assert found == {2: {"id": 2, "n": "two"}, 1: {"id": "1", "n": "one"}, 3: NOTHING}


def test_results_may_be_keyed_by_id_or_in_order(serve: Serve) -> None:
    assert asked(serve, {"result": {"1": "a", "3": "c"}}, [1, 2, 3], results="result") == {1: "a", 3: "c"}
    assert asked(serve, {"result": ["a", None, "c"]}, [1, 2, 3], results="result") == {1: "a", 2: None, 3: "c"}
    found = asked(serve, {"result": ["a", None, "c"]}, [1, 2, 3], results="result", missing="fail")
    assert found == {1: "a", 2: NOTHING, 3: "c"}
    assert asked(serve, {"1": "a"}, [1, 2], missing="fail") == {1: "a", 2: NOTHING}


def test_an_object_of_items_is_taken_for_its_values(serve: Serve) -> None:
    entities = {"entities": {"Q1": {"id": "Q1"}, "-1": {"id": "Q0"}}}
    assert asked(serve, entities, ["Q1", "Q0"], results="entities", result_id="id") == {
        "Q1": {"id": "Q1"},
        "Q0": {"id": "Q0"},
    }


def test_a_result_id_may_be_cut_to_the_id(serve: Serve) -> None:
    works = {"results": [{"id": "https://openalex.org/W7"}]}
    cut = "replace(id, 'https://openalex.org/', '')"
    assert asked(serve, works, ["W7"], results="results", result_id=cut) == {"W7": works["results"][0]}


def test_an_answer_for_one_id_is_its_item(serve: Serve) -> None:
    assert asked(serve, {"data": {"n": 1}}, [1, 2], "/{id}", results="data") == {1: {"n": 1}, 2: {"n": 1}}
    assert asked(serve, {"items": [{"id": 5}]}, [5, 6], "/{id}", results="items", missing="fail") == {
        5: [{"id": 5}],
        6: [{"id": 5}],
    }
    assert asked(serve, {"items": [{"id": 5}, {"id": 50}]}, [5], "/{id}", results="items", result_id="id") == {
        5: {"id": 5}
    }


@pytest.mark.parametrize("status", [404, 410, 204])
def test_where_it_is_not_found_the_others_are_kept(serve: Serve, status: int) -> None:
    def script(exchange: Exchange) -> None:
        if exchange.path == "/2":
            exchange.start(status, {} if status == 204 else {"content-length": "0"})
        else:
            exchange.reply("found")

    upstream = serve(script)
    fetch = HttpUpstream(settings(upstream_url=f"{upstream.url}/{{id}}", upstream_missing="fail"))
    failed = Failed(f"The upstream 127.0.0.1:{upstream.port} has nothing for it.")
    assert fetch([1, 2, 3]) == {1: "found", 2: failed, 3: "found"}


@pytest.mark.parametrize("missing", ["null", "fail"])
def test_no_content_is_no_item(serve: Serve, missing: str) -> None:
    upstream = serve(lambda exchange: exchange.start(204))
    fetch = HttpUpstream(settings(upstream_url=f"{upstream.url}/{{ids}}", upstream_missing=missing))
    found = fetch([1, 2])
    assert found is None if missing == "null" else {type(item) for item in (found or {}).values()} == {Failed}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"id": 1, "error": "no such record"}, "no such record"),
        ({"id": 1, "error": {"code": 7}}, '{"code": 7}'),
        ({"id": 1, "error": "a\r\n\x1b[2J" + "b" * 300}, "a \x1b[2J" + "b" * 194 + "…"),
        ({"id": 1, "error": True}, "true"),
        ({"id": 1, "error": ""}, None),
        ({"id": 1, "error": False}, None),
        ({"id": 1, "error": None}, None),
        ({"id": 1}, None),
    ],
)
def test_an_item_may_say_why_its_id_failed(serve: Serve, item: Any, reason: str | None) -> None:
    data = {"items": [item, {"id": 2, "n": "two"}]}
    found = asked(serve, data, [1, 2], results="items", result_id="id", error="error")
    assert found == {1: item if reason is None else Failed(reason), 2: {"id": 2, "n": "two"}}


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        ({"error": "down"}, {"results": "a.b"}, '/1,2 without INGEST_UPSTREAM_RESULTS (a.b): {"error": "down"}'),
        ({"a": "text"}, {"results": "a"}, "with a str, not an object keyed by id or an array"),
        ({"a": "text"}, {"results": "a", "result_id": "id"}, "with a str, not an array of items: "),
        ([{"id": 1}, {"id": 1}], {"result_id": "id"}, "two items whose INGEST_UPSTREAM_RESULT_ID (id) is 1"),
        ([{"id": 7}, {"id": True}], {"result_id": "id"}, "no item whose INGEST_UPSTREAM_RESULT_ID (id) is one of"),
        ({"a": None}, {"results": "values(a)"}, "INGEST_UPSTREAM_RESULTS (values(a)) cannot be applied to that (In"),
        ({"a": [{"b": 1}, {"b": "x"}]}, {"results": "sort_by(a, &b)"}, "(sort_by(a, &b)) cannot be applied to that"),
        (b'{"a": 1e999}', {"results": "ceil(a)"}, "(ceil(a)) cannot be applied to that (cannot"),
    ],
)
def test_an_answer_that_does_not_fit_the_settings_is_refused(
    serve: Serve, data: Any, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidResult) as caught:
        asked(serve, data, [1, 2], **changes)
    assert words in str(caught.value)


def test_an_answer_without_results_that_says_when_is_a_hold(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply({"error": {"code": "maxlag"}}, headers={"retry-after": "5"}))
    fetch = HttpUpstream(settings(upstream_url=f"{upstream.url}/{{ids}}", upstream_results="entities"))
    with pytest.raises(HoldQueue, match="maxlag") as caught:
        fetch([1])
    assert caught.value.seconds == 5
    changed = settings(upstream_url=f"{upstream.url}/{{ids}}", upstream_results="entities", upstream_adapt=0)
    with pytest.raises(InvalidResult, match="maxlag"):
        HttpUpstream(changed)([1])


def test_a_part_of_an_array_may_be_cut_out(serve: Serve) -> None:
    assert asked(serve, {"rows": ["head", "one", "two"]}, [1, 2], results="rows[1:]") == {1: "one", 2: "two"}


@pytest.mark.parametrize("name", ["RESULTS", "RESULT_ID", "ERROR"])
@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("items[", "it ends too soon"),
        ("items[?", "it ends too soon"),
        ("a.\n b ]", "what begins in line 2, column 4 is not understood: ']'"),
        ("items # 1", "in line 1, column 7 is not understood: '# 1'"),
        ("'open", "in line 1, column 1 is not understood"),
        ("a[?lower(b)]", "there is no function lower() in it"),
    ],
)
def test_an_expression_that_is_none_stops_the_start_with_its_place(name: str, expression: str, words: str) -> None:
    changes = {"upstream_url": "http://localhost/{ids}", f"upstream_{name.lower()}": expression}
    with pytest.raises(ConfigError) as caught:
        HttpUpstream(settings(**changes), "TWO_")
    assert str(caught.value).startswith(f"TWO_UPSTREAM_{name} is no JMESPath: ")
    assert words in str(caught.value)
