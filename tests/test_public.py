"""What a host or a client meets can be imported, is documented, and is known to a type checker."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import app
from app import AsyncClient, Client, IngestionAPI, client, errors
from app.service import Service
from tests.support.checker import errors_in

ROOT = Path(__file__).parents[1]


def members(kind: type) -> list[Any]:
    """The public methods and properties of a class."""
    found = [getattr(kind, name) for name in dir(kind) if not name.startswith("_")]
    return [getattr(one, "fget", one) for one in found if getattr(one, "__doc__", None)]


def named_in(hint: Any) -> Iterator[type]:
    """The package's own classes in a type."""
    if isinstance(hint, type) and hint.__module__.startswith("flask_ingestion") and not typing.get_args(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from named_in(part)


def returned(*kinds: type) -> set[type]:
    """The package's own classes that methods return, and those that are in these."""
    found: set[type] = set()
    hints = [typing.get_type_hints(made).get("return") for kind in kinds for made in members(kind)]
    while hints:
        new = set(named_in(hints.pop())) - found
        found |= new
        hints += [hint for kind in new for hint in typing.get_type_hints(kind).values()]
    return found


def test_every_document_of_a_client_can_be_imported() -> None:
    documents = {kind.__name__ for kind in returned(Client, AsyncClient) if kind.__module__.startswith(client.__name__)}
    assert {"StatusPage", "Sweep", "SweepCount", "FailureGroup", "FailureSample", "FailedId", "Run"} <= documents
    assert documents <= set(client.__all__)


def test_so_can_what_a_host_is_given() -> None:
    given = {kind.__name__ for kind in returned(IngestionAPI) - {Service}}
    assert {"Ingestion", "Counts", "Estimate", "Quote", "Priority"} <= given
    carried = {"Batch", "BatchError", "Timing"}  # by signals
    assert given | carried <= set(app.__all__)


def test_so_can_every_error_that_is_told_of() -> None:
    texts = [made.__doc__ for kind in (IngestionAPI, Service) for made in members(kind)]
    sentences = [sentence for text in texts for sentence in re.findall(r"Raises [^.]*", text)]
    told = {word for one in sentences for word in re.findall(r"[A-Z]\w+", one) if word in vars(errors)}
    assert {"UnknownIngestion", "Conflict", "InvalidRequest", "BacklogFull", "TooLate"} <= told
    assert told <= set(app.__all__)


def test_the_reference_has_every_error() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    kinds = [name for name, one in vars(errors).items() if isinstance(one, type) and one.__module__ == errors.__name__]
    assert [name for name in kinds if name not in app.__all__ and not re.search(rf":members:.*\b{name}\b", page)] == []
    for module in ("errors", "plugin", "client", "service.Service"):
        assert f":: flask_ingestion.{module}\n" in page


PROGRAM = """
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from app import Failed, IngestionAPI, InvalidRequest, UnknownIngestion
from app.client import FailedId, FailureGroup, Sweep, SweepCount

class Record(TypedDict):
    name: str

def of_a_list(ids: list[int]) -> dict[int, dict[str, str]]: ...
def of_a_sequence(ids: Sequence[int]) -> list[Any]: ...
def of_strings(ids: list[str]) -> list[Record]: ...
def with_failures(ids: list[int]) -> Mapping[int, Record | Failed]: ...
def nested(ids: Sequence[int]) -> dict[int, list[list[float] | None]]: ...
def without_data(ids: list[int]) -> None: ...
async def waiting(ids: list[int]) -> None: ...
def of_a_set(ids: set[int]) -> None: ...
def with_bytes(ids: list[int]) -> dict[int, set[str]]: ...

for fine in (IngestionAPI(),):
    fine.processor(of_a_list)
    fine.processor(of_a_sequence)
    fine.processor(of_strings)
    fine.processor(with_failures)
    fine.processor(nested)
    fine.processor(without_data)
    fine.processor(waiting)  # wrong
    fine.processor(of_a_set)  # wrong
    fine.processor(with_bytes)  # wrong
"""


def test_a_type_checker_takes_what_a_processor_may_be(tmp_path: Path) -> None:
    program = PROGRAM.replace(": ...\n", ": raise NotImplementedError\n")
    wrong = [number for number, line in enumerate(program.splitlines(), 1) if line.endswith("# wrong")]
    assert sorted(errors_in(tmp_path, program)) == wrong
