"""The service's documents as dicts with typed attributes."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import MISSING, FrozenInstanceError, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from app import Priority, Status
from app.client import (
    Dispatches,
    FailedId,
    Queue,
    Quote,
    Refused,
    Result,
    StatusPage,
    TimedOut,
    Unreachable,
    documents,
    operations,
)
from app.client.document import Document
from app.config import Settings
from app.errors import BacklogFull, Fault, HoldQueue, InvalidRequest, PermanentError, TooLate, UnknownIngestion
from app.web.examples import answers
from tests.support.checker import errors_in
from tests.support.documents import EXAMPLES, status
from tests.support.web import make_app

_NAMES = "Accepted Attempts Audit Dispatches Failures Ingestion Page Queue Quote Search Sweep SweepCount Sweeps"
ANSWERS = {"Status": "StatusPage"} | {name: name for name in _NAMES.split()}
"""The classes of the documents that a client may be answered with, by the name of their schema."""


def kinds() -> dict[str, type[Document]]:
    named = vars(documents) | vars(operations)
    return {name: one for name, one in named.items() if isinstance(one, type) and issubclass(one, Document)}


def object_in(schema: Any, schemas: Any) -> Any:
    """The schema of the object that a member is, or holds as items, or may be beside null."""
    if "$ref" in schema:
        return object_in(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        (one,) = (one for one in schema["anyOf"] if one.get("type") != "null")
        return object_in(one, schemas)
    return object_in(schema["items"], schemas) if "items" in schema else schema


def document_in(hint: Any) -> Any:
    """The document that an attribute of this type is, or holds, or None."""
    if isinstance(hint, type) and issubclass(hint, Document):
        return hint
    return next(filter(None, map(document_in, get_args(hint))), None)


def compare(kind: Any, schema: Any, schemas: Any) -> set[Any]:
    """Assert that a document, and all within it, have the members of their schemas; returns the kinds it saw."""
    described = object_in(schema, schemas)["properties"]
    assert {one.name for one in fields(kind)} == described.keys(), kind
    inner = {name: document_in(hint) for name, hint in get_type_hints(kind).items()}
    return {kind}.union(*(compare(one, described[name], schemas) for name, one in inner.items() if one))


def test_every_document_has_the_members_that_the_description_has() -> None:
    schemas = make_app().test_client().get("/openapi.json").json["components"]["schemas"]
    seen = set[Any]().union(*(compare(kinds()[kind], schemas[name], schemas) for name, kind in ANSWERS.items()))
    assert {*kinds().values()} - seen == {Document, Result, FailedId}  # these are lines of NDJSON


@pytest.mark.parametrize("kind", [StatusPage, Quote, Queue, Dispatches])
def test_every_example_can_be_read(kind: type[Document]) -> None:
    names = {StatusPage: "getStatus", Quote: "quote", Queue: "getQueue", Dispatches: "listDispatches"}
    assert kind(EXAMPLES[names[kind]]).extra == {}


def test_attributes_are_typed_and_members_as_they_were_sent() -> None:
    page = StatusPage(EXAMPLES["getStatus"])
    assert (page.status, page.priority) == (Status.TRIGGERED, Priority.HIGH)
    assert page.created_at == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert [batch.ids for batch in page.batches] == [(1, 2, 3), (4, 5)]
    assert page.batches[1].started_at is None
    assert page.counts.triggered == 1
    assert (page["priority"], page["created_at"]) == ("HIGH", "2027-01-15T08:00:00.000Z")
    assert page["batches"][0]["ids"] == [1, 2, 3]
    assert page == EXAMPLES["getStatus"]
    assert json.loads(json.dumps(page)) == {**page} == EXAMPLES["getStatus"]
    assert StatusPage(status("completed")).batches == ()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda page: pickle.loads(pickle.dumps(page))])
def test_a_copy_has_both(copied: Any) -> None:
    page = copied(StatusPage(EXAMPLES["getStatus"]))
    assert (page, page.priority, type(page)) == (EXAMPLES["getStatus"], Priority.HIGH, StatusPage)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [
        Unreachable("Nobody.", sent=False, again=False),
        Refused(422, {"detail": "No.", "errors": [{"pointer": "#", "detail": "No."}]}, 3.0),
        TimedOut(3, [StatusPage(EXAMPLES["getStatus"])]),
        UnknownIngestion("abc"),
        InvalidRequest([Fault("#", "No.")]),
        TooLate("No.", 3.0),
        BacklogFull("No.", 3.0),
        HoldQueue(3.0),
        PermanentError("No.", status=400),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_of_an_error_says_the_same(error: Exception, copied: Any) -> None:
    error.add_note("so far")
    other = copied(error)
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def test_what_a_newer_service_adds_is_kept() -> None:
    page = StatusPage({**EXAMPLES["getStatus"], "mood": "good"})
    assert page.extra == {"mood": "good"}
    assert page["mood"] == "good"
    with pytest.raises(AttributeError):
        page.mood  # type: ignore[attr-defined]  # noqa: B018


def test_what_an_older_service_does_not_send_has_its_default() -> None:
    newer = ("limits", "binding_limit", "slowed_to", "rate", "workers")
    queue = Queue({name: member for name, member in EXAMPLES["getQueue"].items() if name not in newer})
    assert (queue.limits, queue.binding_limit, queue.slowed_to, queue.workers) == ((), None, None, ())
    assert "limits" not in queue


@pytest.mark.parametrize("kind", [kind for kind in kinds().values() if kind is not Document])
def test_a_default_claims_nothing(kind: Any) -> None:
    assert not [one.name for one in fields(kind) if one.default is not MISSING and one.default]


def test_attributes_cannot_be_set() -> None:
    page = StatusPage(status("completed"))
    with pytest.raises(FrozenInstanceError):
        page.status = Status.FAILED  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"priority": "URGENT"}, "priority is 'URGENT'"),
        ({"status": 7}, "status is 7"),
        ({"created_at": None}, "created_at is None"),
        ({"created_at": "yesterday"}, "created_at is 'yesterday'"),
        ({"id_count": "5"}, "id_count is '5'"),
        ({"counts": {}}, "yet_to_start is missing"),
        ({"batches": {}}, "batches is {}"),
        ({"batches": [{"batch_id": 7}]}, "batch_id is 7"),
        ({"batches": [7]}, r"batches is \[7\]"),
    ],
)
def test_another_documents_members_are_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StatusPage(status("completed", **change))


def test_ids_may_be_strings() -> None:
    example = answers(Settings.read({"INGEST_ID_TYPE": "string"}))["getStatus"]
    assert StatusPage(example).batches[0].ids == ("SKU-1", "SKU-2", "SKU-3")


def test_a_result_has_data_or_an_error() -> None:
    assert Result({"id": "a/b", "data": {"x": 1}}).data == {"x": 1}
    failed = Result({"id": 7, "error": {"type": "KeyError", "message": "7"}})
    assert failed.error is not None
    assert (failed.error.type, failed.data) == ("KeyError", None)


TYPED = {
    "client.status('a').status": None,
    "client.status('a')['status']": None,
    "client.status('a').stauts": '"StatusPage" has no attribute "stauts"; maybe "status"?',
    "client.queue().priorities.HIGH.waitin": '"Depth" has no attribute "waitin"; maybe "waiting"?',
    "client.wait_all(['a'])[0].batches": '"Ingestion" has no attribute "batches"',
    "[one.data for one in client.iter_results('a')]": None,
    "client.submit([1.5], 'HIGH')": 'List item 0 has incompatible type "float"',
    "client.failures(priority='LOW', since=3600, page=5)": None,
    "client.failures(prioritty='LOW')": 'Unexpected keyword argument "prioritty" for "failures" of "Client"',
    "client.failed_ids(status='failed')": 'Unexpected keyword argument "status" for "failed_ids" of "Client"',
    "client.redrive_all(status='failed', failed=True, idempotency_key='a')": None,
    "client.cancel_all(owner=7)": 'Argument "owner" to "cancel_all" of "Client" has incompatible type "int"',
    "other.count_redrive(grup='a')": 'Unexpected keyword argument "grup" for "count_redrive" of "AsyncClient"',
    "other.status('a').status": '"Coroutine[Any, Any, StatusPage]" has no attribute "status"',
}
"""Expressions, and what a type checker says of them."""


def test_a_type_checker_knows_them(tmp_path: Path) -> None:
    program = ["from app import AsyncClient, Client", "client, other = Client(), AsyncClient()", *TYPED]
    found = errors_in(tmp_path, "\n".join(program))
    for number, (expression, error) in enumerate(TYPED.items(), 3):
        assert found.get(number, "").startswith(error or ""), expression
        assert (number in found) == (error is not None), expression
