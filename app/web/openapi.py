"""The description of the API in OpenAPI 3.1: what each route takes and returns. Tests prove it complete and true."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..config import Settings, release
from . import schemas as parts
from .schemas import HEADERS, JSON, ref

_ABOUT = """A queue in front of a slow, rate-limited upstream: ids are cut into batches that go out most urgent first,
never faster than the limit. Errors are problem documents (RFC 9457) whose `detail` says what would be right."""


def describe(settings: Settings, name: str, root: str) -> JSON:
    """Returns the OpenAPI document of an instance of this name whose routes are under `root`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Flask-Ingestion", "version": release(), "description": _ABOUT},
        "servers": [{"url": root}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": _paths(),
        "components": {
            "schemas": parts.schemas(settings),
            "parameters": parts.parameters(),
            "responses": parts.responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key, where there are keys."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": f"{name}_key"},
            },
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


def _paths() -> JSON:
    submission = {"required": True, "content": {"application/json": {"schema": ref("schemas", "Submission")}}}
    login = {"required": True, "content": {"application/json": {"schema": ref("schemas", "Login")}}}
    status = _json("Status", "ETag", "Retry-After, if not ended")
    queue = _json("Queue")
    accepted = {**_json("Accepted", "Location"), "links": _links("getStatus", "cancel", "getResults")}
    return {
        "/ingest": {
            "post": _operation(
                "submit",
                "Accept ids",
                accepted,
                (400, 401, 403, 409, 413, 415, 422, 429, 503),
                "idempotency_key",
                body=submission,
            )
        },
        "/quote": {
            "post": _operation(
                "quote",
                "When this request would start and end at each priority; nothing is queued",
                _json("Quote"),
                (400, 401, 403, 413, 415, 422, 503),
                body=submission,
            )
        },
        "/status/{ingestion_id}": {
            "get": _operation(
                "getStatus",
                "Where an ingestion and its batches stand",
                status,
                (304, 401, 404, 422, 503),
                *("ingestion_id", "offset", "limit", "if_none_match"),
            )
        },
        "/status/{ingestion_id}/cancel": {
            "post": _operation(
                "cancel", "Never start what has not started", status, (401, 403, 404, 409, 503), "ingestion_id"
            )
        },
        "/status/{ingestion_id}/redrive": {
            "post": _operation(
                "redrive", "Start the failed batches over", status, (401, 403, 404, 409, 503), "ingestion_id"
            )
        },
        "/results/{ingestion_id}": {
            "get": _operation(
                "getResults",
                'What is finished so far: a line of JSON for each id, {"id", "data"}, in the order of the ids',
                _text("application/x-ndjson"),
                (401, 404, 503),
                "ingestion_id",
            )
        },
        "/ingestions": {
            "get": _operation(
                "listIngestions",
                "Ingestions, newest first",
                _json("Page"),
                (401, 422, 503),
                *("status", "priority", "failed", "page", "cursor"),
            )
        },
        "/queue": {"get": _operation("getQueue", "What waits, what for, and what goes next", queue, (401, 503))},
        "/queue/pause": {
            "post": _operation("pause", "Dispatch nothing until resumed", queue, (401, 403, 503)),
        },
        "/queue/resume": {"post": _operation("resume", "End a pause", queue, (401, 403, 503))},
        "/dispatches": {
            "get": _operation(
                "listDispatches",
                "The latest dispatches, oldest first",
                _json("Dispatches"),
                (401, 403, 422, 503),
                "latest",
            )
        },
        "/metrics": {
            "get": _operation(
                "getMetrics",
                "What Prometheus reads",
                _text("text/plain", "application/openmetrics-text"),
                (401, 501),
            )
        },
        "/livez": {"get": _operation("isLive", "Whether to leave it running", _json("Health"), (503,), open_=True)},
        "/readyz": {"get": _operation("isReady", "Whether to send it requests", _json("Health"), (503,), open_=True)},
        "/login": {
            "get": _operation("whoAmI", "Who the key says is calling", _json("Caller"), (401,)),
            "post": _operation(
                "signIn",
                "Exchange a key for a cookie",
                _json("Caller"),
                (400, 401, 403, 413, 422),
                body=login,
                open_=True,
            ),
        },
        "/logout": {
            "post": _operation("signOut", "Drop the cookie", {"description": "Done."}, (403,), code=204, open_=True)
        },
        "/openapi.json": {
            "get": _operation("getDescription", "This document", _text("application/json", schema={}), (), open_=True)
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: JSON,
    refusals: tuple[int, ...],
    *parameters: str,
    body: JSON | None = None,
    code: int = 200,
    open_: bool = False,
) -> JSON:
    answers: dict[str, Any] = {str(code): answer}
    for refusal in refusals:
        unchanged = {"description": "Nothing has changed.", "headers": {"ETag": HEADERS["ETag"]}}
        answers[str(refusal)] = unchanged if refusal == 304 else ref("responses", str(refusal))
    operation: JSON = {"operationId": name, "summary": summary, "responses": answers}
    if parameters:
        operation["parameters"] = [ref("parameters", parameter) for parameter in parameters]
    if body:
        operation["requestBody"] = body
    if open_:
        operation["security"] = []
    return operation


def _json(schema: str, *headers: str) -> JSON:
    answer: JSON = {"description": schema, "content": {"application/json": {"schema": ref("schemas", schema)}}}
    if headers:
        answer["headers"] = {name.partition(",")[0]: HEADERS[name] for name in headers}
    return answer


def _text(*media_types: str, schema: JSON | None = None) -> JSON:
    schema = {"type": "string"} if schema is None else schema
    return {"description": media_types[0], "content": {one: {"schema": schema} for one in media_types}}


def _links(*operations: str) -> JSON:
    found = {"ingestion_id": "$response.body#/ingestion_id"}
    return {name: {"operationId": name, "parameters": found} for name in operations}
