"""Generated requests against the description that the running service gives of itself, with keys and open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


EXCUSES = ("must be an RFC 3339 time", "was used with another request", "The deadline cannot be met")
"""What is said of a request in good form: of its time, or because of one before."""


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def check(case: Case, headers: dict[str, str]) -> None:
    response = case.call(headers=headers)
    refused = response.json() if response.status_code == 422 else {}
    details = [one["detail"] for one in refused.get("errors", [refused])] if refused else []
    excused = bool(details) and all(any(excuse in one for excuse in EXCUSES) for one in details)
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


@pytest.fixture(scope="module")
def of_strings() -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", make_app(max_ids=5, id_type="string"))


@schemathesis.pytest.from_fixture("keyed").parametrize()
@bounded(5)
def test_no_generated_request_contradicts_the_description(case: Case) -> None:
    check(case, OPERATOR)


@schemathesis.pytest.from_fixture("of_strings").include(path=["/ingest", "/quote"]).parametrize()
@bounded(10)
def test_nor_does_one_with_strings(case: Case) -> None:
    check(case, {})


@schemathesis.pytest.from_fixture("opened").parametrize()
@bounded(5)
def test_nor_does_one_to_the_open_service(case: Case) -> None:
    check(case, {})
