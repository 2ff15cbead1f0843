from __future__ import annotations

import json
import sys
from collections import ChainMap
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigError, InvalidResult, PermanentError
from app.processors import checked, encode_results, simulate
from app.wiring import load_processor as load
from tests.support.queueing import settings


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the source of a module and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def write(source: str) -> str:
        name = f"made_for_a_test_{len(names)}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_simulation_calls_every_id_processed() -> None:
    assert encode_results([3, 1, 3], simulate([3, 1, 3])) == ('"processed"',) * 3


def test_nothing_configured_is_no_processor() -> None:
    assert load(settings()) is None


def test_a_callable_is_found_by_its_name(module: Any) -> None:
    name = module("class Client:\n    def fetch(self, ids): return [one * 2 for one in ids]\nclient = Client()\n")
    processor = load(settings(processor=f"{name}:client.fetch"))
    assert processor is not None
    assert processor([1, 2]) == [2, 4]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("json", "must be package.module:name, not 'json'"),
        ("json:", "must be package.module:name"),
        (":dumps", "must be package.module:name"),
        (".json:dumps", "must be package.module:name"),
        ("no_such_package.inner:run", "there is no module no_such_package"),
        ("json.no_such_module:run", "there is no module json.no_such_module"),
        ("json:no_such_name", "json has no no_such_name"),
        ("json:decoder.no_such_name", "json has no decoder.no_such_name"),
        ("math:pi", "must be a callable, not a float"),
    ],
)
def test_a_name_that_leads_nowhere_is_said_with_its_key(path: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(settings(processor=path), "TWO_")
    assert str(caught.value).startswith("TWO_PROCESSOR ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def broken(", "SyntaxError"),
    ],
)
def test_a_module_that_fails_to_import_is_said_with_its_cause(module: Any, source: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"INGEST_PROCESSOR names .* failed") as caught:
        load(settings(processor=f"{module(source)}:run"))
    assert words in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_async_processor_is_refused() -> None:
    async def fetch(ids: object) -> object:
        return ids

    class Fetch:
        async def __call__(self, ids: object) -> object:
            return ids

    for processor in (fetch, Fetch()):
        with pytest.raises(ConfigError, match="the processor is async"):
            checked(processor, "the processor")


def test_an_async_processor_behind_a_plain_function_is_told_of() -> None:
    async def fetch(ids: object) -> object:
        return ids

    @wraps(fetch)  # so is a function that runs what it wraps with asyncio.run, and that is fine
    def plain(ids: object) -> object:
        return fetch(ids)

    returned = checked(plain, "the processor")([1])
    with pytest.raises(InvalidResult, match="returned a coroutine and did nothing: what it calls is async"):
        encode_results([1], returned)


def test_one_that_could_never_return_data_is_refused() -> None:
    def stream(ids: Any) -> Any:
        yield from ids

    class Streamed:
        def __call__(self, ids: Any) -> Any:
            yield from ids

    class Fetch:
        def __call__(self, ids: Any) -> Any:
            return ids

    for generator in (stream, Streamed(), partial(stream)):
        with pytest.raises(ConfigError, match="the processor is a generator function; it must return the data"):
            checked(generator, "the processor")
    with pytest.raises(ConfigError, match="the processor is the class Fetch; it must be an instance of it"):
        checked(Fetch, "the processor")
    for fine in (Fetch(), list, dict):
        assert checked(fine, "the processor") is fine


class Takes:
    def ids(self, ids: object) -> object:
        return ids

    def more(self, session: object, ids: object) -> object:
        return session, ids


def test_one_that_does_not_take_a_list_of_ids_is_refused_before_it_fails_them_all() -> None:
    def no_more(*, ids: object) -> object:
        return ids

    for processor, why in (
        (lambda: None, "too many positional arguments"),
        (no_more, "too many positional arguments"),
        (Takes.ids, "missing a required argument: 'ids'"),
        (Takes().more, "missing a required argument: 'ids'"),
        (partial(Takes().more, session=1), "missing a required argument: 'ids'|too many positional|multiple values"),
    ):
        with pytest.raises(ConfigError, match=f"the processor must take one argument, the list of ids: ({why})"):
            checked(processor, "the processor")


def test_what_a_decorator_adds_is_no_argument_of_the_processor() -> None:
    @wraps(Takes.more)
    def with_session(ids: object) -> object:
        return Takes().more("session", ids)

    def with_retries(ids: object, retries: int = 3) -> object:
        return ids, retries

    for fine in (Takes().ids, partial(Takes().more, 1), with_session, with_retries, dict.fromkeys, max):
        assert checked(fine, "the processor") is fine


@pytest.mark.parametrize("package", ["urllib3", "jmespath"])
def test_without_a_package_the_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith("flask_ingestion.processors.http")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        ConfigError, match=rf"TWO_UPSTREAM_URL needs the package {package}: pip install 'Flask-Ingestion\[http\]'"
    ):
        load(settings(upstream_url="http://localhost/{ids}"), "TWO_")


def test_none_is_kept_as_nothing() -> None:
    assert encode_results([1, 2], None) == ()


def test_a_mapping_gives_each_id_its_data_and_null_to_the_rest() -> None:
    data = {1: {"name": "Vaduz", "at": [47.1, 9.5]}, 3: None}
    assert encode_results([3, 1, 2, 1], data) == (
        "null",
        '{"name":"Vaduz","at":[47.1,9.5]}',
        "null",
        '{"name":"Vaduz","at":[47.1,9.5]}',
    )
    assert encode_results([1, 2], ChainMap({1: True})) == ("true", "null")
    assert encode_results([1, 2], {}) == ("null", "null")


@pytest.mark.parametrize("key", [9, "1", None, 1.5, (1,)])
def test_a_key_that_is_no_id_of_the_batch_is_named(key: object) -> None:
    with pytest.raises(InvalidResult) as caught:
        encode_results([1, 2], {1: "one", key: "what"})
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize("data", [["a", 2], ("a", 2)])
def test_a_sequence_is_in_the_order_of_the_ids(data: object) -> None:
    assert encode_results([7, 5], data) == ('"a"', "2")


@pytest.mark.parametrize("data", [[], ["a"], ["a", "b", "c"]])
def test_a_sequence_of_another_length_is_refused(data: list[str]) -> None:
    with pytest.raises(InvalidResult, match=f"returned {len(data)} results for 2 ids"):
        encode_results([7, 5], data)


def bottomless() -> list[Any]:
    data: list[Any] = []
    for _ in range(100_000):
        data = [data]
    return data


def endless() -> list[Any]:
    data: list[Any] = []
    data.append(data)
    return data


@pytest.mark.parametrize(
    "data",
    [float("nan"), float("inf"), {"deep": [float("-inf")]}, {1, 2}, b"raw", object(), {(1, 2): 3}, bottomless, endless],
)
def test_data_that_is_not_json_is_refused_with_its_id(data: Any) -> None:
    with pytest.raises(InvalidResult, match=r"^The data of id 5 cannot be kept as JSON"):
        encode_results([7, 5], {7: "fine", 5: data() if callable(data) else data})


@pytest.mark.parametrize("data", ["12", b"12", bytearray(2), 12, True, {1, 2}, iter([1, 2]), simulate])
def test_any_other_type_is_refused_by_name(data: object) -> None:
    with pytest.raises(InvalidResult, match=f"returned a {type(data).__name__};"):
        encode_results([1, 2], data)


@pytest.mark.parametrize("change", [list.sort, list.reverse, list.pop, list.clear])
def test_a_mapping_is_told_by_its_keys_whatever_becomes_of_the_list(change: Callable[[list[int]], None]) -> None:
    ids, own = [30, 10, 20], [30, 10, 20]
    change(own)
    assert encode_results(ids, {10: "ten", 20: "twenty", 30: "thirty"}, own) == ('"thirty"', '"ten"', '"twenty"')


def test_a_list_is_in_the_order_in_which_the_processor_left_its_own() -> None:
    assert encode_results([30, 10, 20], ["ten", "twenty", "thirty"], [10, 20, 30]) == ('"thirty"', '"ten"', '"twenty"')


@pytest.mark.parametrize("own", [[30, 10], [], [30, 10, 21], [30, 10, 20, 20]])
def test_a_list_from_a_processor_that_lost_its_ids_is_refused(own: list[int]) -> None:
    with pytest.raises(InvalidResult, match="return a mapping keyed by id"):
        encode_results([30, 10, 20], ["thirty", "ten", "twenty"], own)


def test_an_invalid_result_is_permanent() -> None:
    assert issubclass(InvalidResult, PermanentError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.integers(1, 2**63 - 1), json_values, min_size=1))
def test_json_comes_back_as_it_was(data: dict[int, Any]) -> None:
    ids = list(data)
    for returned in (data, list(data.values())):
        encoded = encode_results(ids, returned)
        assert [json.loads(text) for text in encoded] == list(data.values())
        assert all(text.isascii() and "\n" not in text for text in encoded)
