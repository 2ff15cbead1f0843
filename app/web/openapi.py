"""The description of the API in OpenAPI 3.1: what each route of the running service takes and returns.

Tests prove it complete and true.
"""

from __future__ import annotations

import dataclasses
import functools
from inspect import cleandoc
from typing import NamedTuple

from flask import Blueprint, Response

from ..config import Settings
from ..keys import Role
from ..naming import release
from ..service import Service
from .answers import as_json
from .components import HEADERS, parameters, responses
from .examples import INGESTION, SWEEP, answers, requests
from .request import root_path
from .requirements import needs
from .schemas import JSON, ref, schemas
from .words import ABOUT, GROUPS, KEYED, NEEDED, OPEN, OPERATIONS


class Route(NamedTuple):
    """One method of one path, by the name of its operation.

    `role` is what its caller needs, None for no key at all. `refusals` are its own: those for want of a key or a role,
    and those of requests from other sites, follow from the role and the method.
    """

    name: str
    method: str
    path: str
    role: Role | None
    answer: JSON
    refusals: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    body: str | None = None


def _json(schema: str, *headers: str) -> JSON:
    answer: JSON = {"description": schema, "content": {"application/json": {"schema": ref("schemas", schema)}}}
    if headers:
        answer["headers"] = {name.partition(",")[0]: HEADERS[name] for name in headers}
    return answer


def _text(*media_types: str, kind: str = "string") -> JSON:
    return {"description": media_types[0], "content": {one: {"schema": {"type": kind}} for one in media_types}}


def _links(*operations: str) -> JSON:
    found = {"ingestion_id": "$response.body#/ingestion_id"}
    return {name: {"operationId": name, "parameters": found} for name in operations}


_READ, _SUBMIT, _OPERATE = Role.READ, Role.SUBMIT, Role.OPERATE
_BODY = (400, 413, 415)
_ACCEPTED = {**_json("Accepted", "Location"), "links": _links("getStatus", "cancel", "getResults")}
_STATUS = _json("Status", "ETag", "Retry-After, if not ended")
_SIGNED_OUT: JSON = {"description": "Done.", "headers": {"Set-Cookie": HEADERS["Set-Cookie, without a key"]}}
_METRICS = _text("text/plain", "application/openmetrics-text")
_LINES = _text("application/x-ndjson", "text/plain")
_ONE = ("ingestion_id",)
_WHOLE = ("whole_id",)
_RESULTS = ("ingestion_id", "include")
_PAGE = ("ingestion_id", "of_status", "offset", "limit", "if_none_match")
_TRIED = ("ingestion_id", "offset", "tried")
_KEY = ("idempotency_key",)
_SWEEP = _json("SweepOrCount")
_FAILED = ("group", "priority", "owner", "since", "until")
_PAUSABLE = ("paused_priority", "paused_owner")
_LISTED = ("status", "priority", "owner", "failed", "submitted_since", "submitted_until", "page", "cursor")

ROUTES = (
    Route("submit", "post", "/ingest", _SUBMIT, _ACCEPTED, (*_BODY, 409, 429, 503), ("idempotency_key",), "Submission"),
    Route("quote", "post", "/quote", _SUBMIT, _json("Quote"), (*_BODY, 503), (), "Submission"),
    Route("getStatus", "get", "/status/{ingestion_id}", _READ, _STATUS, (304, 404, 503), _PAGE),
    Route("getResults", "get", "/results/{ingestion_id}", _READ, _LINES, (404, 503), _RESULTS),
    Route("listAttempts", "get", "/attempts/{ingestion_id}", _READ, _json("Attempts"), (404, 503), _TRIED),
    Route("listIngestions", "get", "/ingestions", _READ, _json("Page"), (503,), _LISTED),
    Route("redriveAll", "post", "/ingestions/redrive", _OPERATE, _SWEEP, (*_BODY, 503), _KEY, "RedriveAll"),
    Route("cancelAll", "post", "/ingestions/cancel", _OPERATE, _SWEEP, (*_BODY, 503), _KEY, "CancelAll"),
    Route("listSweeps", "get", "/sweeps", _OPERATE, _json("Sweeps"), (503,), ("sweeps",)),
    Route("getSweep", "get", "/sweeps/{sweep_id}", _OPERATE, _json("Sweep"), (404, 503), ("sweep_id",)),
    Route("listFailures", "get", "/failures", _READ, _json("Failures"), (503,), (*_FAILED, "groups", "group_cursor")),
    Route("listFailedIds", "get", "/failures/ids", _READ, _LINES, (503,), _FAILED),
    Route("where", "get", "/ids/{record_id}", _READ, _json("Search"), (503,), ("sought", "places")),
    Route("cancel", "post", "/status/{ingestion_id}/cancel", _SUBMIT, _STATUS, (*_BODY, 404, 409, 503), _WHOLE),
    Route("redrive", "post", "/status/{ingestion_id}/redrive", _OPERATE, _STATUS, (*_BODY, 404, 409, 503), _ONE),
    Route("move", "post", "/status/{ingestion_id}/move", _OPERATE, _STATUS, (*_BODY, 404, 409, 503), _WHOLE, "Move"),
    Route(
        "redriveCallback",
        "post",
        "/status/{ingestion_id}/callback/redrive",
        _OPERATE,
        _STATUS,
        (*_BODY, 404, 409, 503),
        _ONE,
    ),
    Route("pause", "post", "/queue/pause", _OPERATE, _json("Queue"), (*_BODY, 503), _PAUSABLE),
    Route("resume", "post", "/queue/resume", _OPERATE, _json("Queue"), (*_BODY, 503), _PAUSABLE),
    Route("endHold", "post", "/queue/hold/end", _OPERATE, _json("Queue"), (*_BODY, 503)),
    Route("changeRate", "post", "/queue/rate", _OPERATE, _json("Queue"), (*_BODY, 503), (), "Rate"),
    Route("resetRate", "post", "/queue/rate/reset", _OPERATE, _json("Queue"), (*_BODY, 503)),
    Route(
        "changeConcurrency",
        "post",
        "/queue/concurrency",
        _OPERATE,
        _json("Queue"),
        (*_BODY, 404, 503),
        ("worker",),
        "Concurrency",
    ),
    Route(
        "resetConcurrency",
        "post",
        "/queue/concurrency/reset",
        _OPERATE,
        _json("Queue"),
        (*_BODY, 404, 503),
        ("worker",),
    ),
    Route("getAudit", "get", "/audit", _OPERATE, _json("Audit"), (503,), ("audited", "cursor")),
    Route("getQueue", "get", "/queue", _READ, _json("Queue"), (503,)),
    Route("listDispatches", "get", "/dispatches", _OPERATE, _json("Dispatches"), (503,), ("latest",)),
    Route("getMetrics", "get", "/metrics", _READ, _METRICS, (501,)),
    Route("isLive", "get", "/livez", None, _json("Health"), (503,)),
    Route("isReady", "get", "/readyz", None, _json("Health"), (503,)),
    Route("whoAmI", "get", "/login", _READ, _json("Caller")),
    Route("signIn", "post", "/login", None, _json("Caller", "Set-Cookie"), (400, 401, 413, 422), (), "Login"),
    Route("signOut", "post", "/logout", None, _SIGNED_OUT),
    Route("getDescription", "get", "/openapi.json", None, _text("application/json", kind="object")),
)


@functools.lru_cache(16)  # Whoever asks needs no key, and to make it takes 20 ms.
def describe(settings: Settings, name: str, root: str) -> JSON:
    """Returns the OpenAPI document of an instance of this name whose routes are under `root`; not to be changed.

    Where there are no keys, it asks for none and leaves out what is refused for want of one.
    """
    keyed = bool(settings.api_keys)
    paths: JSON = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, settings)
    document: JSON = {
        "openapi": "3.1.0",
        "info": {
            "title": "Flask-Ingestion",
            "version": release(),
            "description": f"{cleandoc(ABOUT)}\n\n{cleandoc(KEYED if keyed else OPEN)}",
        },
        "servers": [{"url": root}],
        "tags": [{"name": group, "description": about} for group, about in GROUPS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas(settings),
            "parameters": parameters(INGESTION, SWEEP),
            "responses": responses(keyed=keyed),
        },
        "x-settings": [
            {
                "key": Settings.key_of(name, field.name),
                "default": field.default if field.default != () else "",
                "description": field.metadata["about"],
            }
            for field in dataclasses.fields(settings)
        ],
    }
    if keyed:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key."},
            "cookie": {
                "type": "apiKey",
                "in": "cookie",
                "name": f"{name}_key",
                "description": "A key that a browser signed in with.",
            },
        }
    return document


def description(service: Service) -> JSON:
    """Returns the OpenAPI document of an instance, in a request for a route directly below its root."""
    return describe(service.settings, service.name, root_path().rstrip("/") or "/")


def add_description(blueprint: Blueprint, service: Service) -> None:
    """Add the description of the API at `/openapi.json`; it holds nobody's data, so it needs no key."""

    @blueprint.get("/openapi.json")
    @needs(None)
    def openapi() -> Response:
        return as_json(description(service))


def _operation(route: Route, settings: Settings) -> JSON:
    words = OPERATIONS[route.name]
    operation: JSON = {
        "operationId": route.name,
        "tags": [words.group],
        "summary": words.summary,
        "description": cleandoc(words.about),
        "responses": _responses(route, settings),
    }
    if route.parameters:
        operation["parameters"] = [ref("parameters", parameter) for parameter in route.parameters]
    if route.body:
        media = {"schema": ref("schemas", route.body), "example": requests(settings)[route.body]}
        operation["requestBody"] = {"required": True, "content": {"application/json": media}}
    if settings.api_keys and route.role:
        operation["description"] += f"\n\n{NEEDED[route.role]}"
        role = route.role.name.lower()
        operation["security"] = [{"bearer": [role]}, {"cookie": [role]}]
    return operation


def _responses(route: Route, settings: Settings) -> JSON:
    found: JSON = {"204": route.answer}
    if "content" in route.answer:
        content = dict(route.answer["content"])
        first = next(iter(content))
        content[first] = {**content[first], "example": answers(settings)[route.name]}
        found = {"200": {**route.answer, "content": content}}
    for status in sorted(_refusals(route, settings)):
        unchanged = {"description": "Nothing has changed.", "headers": _STATUS["headers"]}
        found[str(status)] = unchanged if status == 304 else ref("responses", str(status))
    return found


def _refusals(route: Route, settings: Settings) -> set[int]:
    """Returns the status codes of a route's refusals, as the settings allow for them."""
    found = set(route.refusals)
    if route.method == "post":
        found.add(403)
    if route.role is not None:
        found.add(422)  # an unknown member of the query
    if settings.api_keys and route.role:
        found |= {401} if route.role is Role.READ else {401, 403}
    if not settings.api_keys:
        found.discard(401)
    if not (settings.api_keys and settings.key_quota):
        found.discard(429)
    return found
