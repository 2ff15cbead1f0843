"""Generated requests against the description that the running service gives of itself, with keys and open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, HookContext
from schemathesis.checks import positive_data_acceptance

from app.keys import Role
from tests.support.standalone import Service
from tests.support.web import Callers, make_app

CALLERS = Callers(("operator", Role.OPERATE))
OPERATOR = CALLERS.headers("operator")


@schemathesis.hook
def filter_body(_: HookContext, body: Any) -> bool:
    """JSON Schema takes 1.0 for an integer. The API does not: it wants ids written as such."""
    ids = body.get("ids") if isinstance(body, dict) else None
    return not (isinstance(ids, list) and any(isinstance(id_, float) and id_.is_integer() for id_ in ids))


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def texts(value: Any) -> Iterator[str]:
    """Yields every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def check(case: Case, headers: dict[str, str]) -> None:
    response = case.call(headers=headers)
    # A request in good form is still refused when its deadline is past or its idempotency key was used; all that is
    # wrong with the form of one is listed in errors. No pattern can say of all of Unicode what is printable.
    errors = response.json().get("errors", ()) if response.status_code == 422 else None
    excuses = ["must be an RFC 3339 time"]
    sent = unquote("".join(texts([case.query, case.path_parameters, case.body])))
    if any(not one.isprintable() and one > "\xff" for one in sent):
        excuses.append("must be printable")
    of_form = [error for error in errors or () if not any(excuse in error["detail"] for excuse in excuses)]
    excused = errors is not None and not of_form
    case.validate_response(
        response,
        headers=headers,
        transport_kwargs={"headers": headers},
        excluded_checks=[positive_data_acceptance] if excused else [],
    )


@contextmanager
def described(**environ: str) -> Iterator[Any]:
    """The description of a service in a process of its own, on a port of its own."""
    with Service(INGEST_MAX_IDS="5", INGEST_INTERVAL="0", **environ) as service:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")


@pytest.fixture(scope="module")
def keyed() -> Iterator[Any]:
    with described(INGEST_API_KEYS=",".join(map(str, CALLERS.keys)), INGEST_KEY_QUOTA="100") as schema:
        yield schema


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with described() as schema:
        yield schema


@schemathesis.pytest.from_fixture("keyed").parametrize()
@bounded(5)
def test_no_generated_request_contradicts_the_description(case: Case) -> None:
    check(case, OPERATOR)


of_strings = schemathesis.openapi.from_wsgi("/openapi.json", make_app(max_ids=5, id_type="string"))


@of_strings.include(path=["/ingest", "/quote"]).parametrize()
@bounded(10)
def test_nor_does_one_with_strings(case: Case) -> None:
    check(case, {})


@schemathesis.pytest.from_fixture("opened").parametrize()
@bounded(5)
def test_nor_does_one_to_the_open_service(case: Case) -> None:
    check(case, {})
