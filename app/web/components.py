"""The parts of the API's description beside its schemas: parameters, headers and refusals."""

from __future__ import annotations

from http import HTTPStatus

from ..values import INT64_MAX
from .query import FEW, PAGE, PAGE_MAX
from .schemas import COUNT, JSON, MOMENT, OWNER, PRIORITY, STATUS, STRING_ID, UUID, ref

_TEXT: JSON = {"type": "string"}
_WHEN = "an RFC 3339 time with its offset, or seconds ago"


def _query(name: str, about: str, schema: JSON) -> JSON:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _page(about: str, default: int = PAGE) -> JSON:
    return _query("limit", about, {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": default})


def parameters(ingestion_id: str, sweep_id: str) -> JSON:
    """Returns the parameters; the ids are examples."""
    return {
        "ingestion_id": {
            "name": "ingestion_id",
            "in": "path",
            "required": True,
            "description": "An ingestion's id, an unambiguous beginning of it, or the id of one of its batches.",
            "schema": {"type": "string", "pattern": "^[0-9a-fA-F-]{1,36}$"},
            "example": ingestion_id,
        },
        "whole_id": {
            "name": "ingestion_id",
            "in": "path",
            "required": True,
            "description": "An ingestion's id, or an unambiguous beginning of it of 8 digits at least.",
            "schema": {"type": "string", "pattern": "^[0-9a-fA-F-]{8,36}$"},
            "example": ingestion_id,
        },
        "offset": _query("offset", "Batches to skip.", {**COUNT, "maximum": INT64_MAX}),
        "limit": _query("limit", "Batches at most; all where not given.", {**COUNT, "maximum": INT64_MAX}),
        "page": _page("Ingestions at most."),
        "latest": _query("limit", "Dispatches at most.", {"type": "integer", "minimum": 1, "maximum": INT64_MAX}),
        "audited": _page("Entries at most."),
        "cursor": _query("cursor", "The next_cursor of the page before.", {**COUNT, "maximum": INT64_MAX}),
        "status": _query("status", "Only those in this status.", STATUS),
        "of_status": _query("status", "Only batches in this status; `offset` and `limit` count these.", STATUS),
        "priority": _query("priority", "Only those of this priority.", PRIORITY),
        "failed": _query(
            "failed", "Only those with failed batches, whatever their own status.", {"type": "string", "enum": ["true"]}
        ),
        "submitted_since": _query("since", f"Only those submitted then or later: {_WHEN}.", MOMENT),
        "submitted_until": _query("until", f"Only those submitted then or earlier: {_WHEN}.", MOMENT),
        "group": _query("group", "Only failures of this group.", _TEXT),
        "owner": _query("owner", "Only those of this caller; nobody but yourself, unless your key may operate.", OWNER),
        "paused_priority": _query("priority", "This priority, and not the whole queue.", PRIORITY),
        "paused_owner": _query("owner", "This caller, and not the whole queue.", OWNER),
        "worker": _query(
            "worker",
            "A worker's id, or an unambiguous beginning of it; or a host, for all of its processes.",
            {"type": "string", "minLength": 1},
        ),
        "since": _query("since", f"Only those that failed then or later: {_WHEN}.", MOMENT),
        "until": _query("until", f"Only those that failed then or earlier: {_WHEN}.", MOMENT),
        "groups": _page("Groups at most."),
        "group_cursor": _query(
            "cursor",
            "The next_cursor of the page before.",
            {"type": "string", "pattern": r"^[0-9]{1,18}(\.[0-9]{1,17})?_[0-9]{1,18}_[0-9]{1,18}$"},
        ),
        "sought": {
            "name": "record_id",
            "in": "path",
            "required": True,
            "description": "An id as it was submitted, percent-encoded.",
            "schema": STRING_ID,
            "example": "4711",
        },
        "places": _page("Places at most.", FEW),
        "tried": _page("Batches at most."),
        "sweep_id": {
            "name": "sweep_id",
            "in": "path",
            "required": True,
            "description": "A sweep's id.",
            "schema": UUID,
            "example": sweep_id,
        },
        "sweeps": _page("Sweeps at most.", FEW),
        "include": _query(
            "include",
            "With `failed`, a line with `error` for each id that failed, too.",
            {"type": "string", "enum": ["failed"]},
        ),
        "idempotency_key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "1 to 255 printable ASCII characters, bare or between two quotes, which do not count. A "
            "request repeated under a key is accepted once, with the same answer.",
            "schema": {"type": "string", "pattern": '^(?!""$)("[ -~]{1,255}"|[!-~]([ -~]{0,253}[!-~])?)$'},
        },
        "if_none_match": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of the answer before.",
            "schema": {"type": "string"},
        },
    }


_RETRY_AFTER: JSON = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
_ETAG: JSON = {"description": "Weak.", "required": True, "schema": {"type": "string"}}

HEADERS: dict[str, JSON] = {
    "Retry-After": {**_RETRY_AFTER, "required": True},
    "Retry-After, if not ended": _RETRY_AFTER,
    "ETag": _ETAG,
    "Set-Cookie": {
        "description": "The key, for a browser.",
        "schema": {"type": "string"},
        "example": "ingest_key=...; HttpOnly; Path=/; SameSite=Strict",
    },
    "Set-Cookie, without a key": {
        "description": "None, so that the browser forgets the key.",
        "schema": {"type": "string"},
        "example": "ingest_key=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Strict",
    },
    "Location": {
        "description": "The status page.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
}

_CHALLENGE: JSON = {"description": "RFC 6750.", "schema": {"type": "string"}}

_WITH: dict[int, JSON] = {
    401: {"WWW-Authenticate": {**_CHALLENGE, "required": True}},
    409: {"Retry-After": _RETRY_AFTER},
    415: {"Accept-Encoding": {"description": "`identity`, where it was compressed.", "schema": {"type": "string"}}},
    429: {"Retry-After": HEADERS["Retry-After"]},
    503: {"Retry-After": _RETRY_AFTER},
}

_UNKNOWN = "There is no ingestion '1234'; finished ones are forgotten after a while."

_POINTERS = {400: "#", 422: "#/priority"}
"""What is wrong in the examples of refusals that list it."""


def responses(*, keyed: bool) -> JSON:
    """Returns the refusals by their status code; `keyed` says whether callers need keys."""
    words = {
        400: ("The body is not JSON.", "The body is not JSON: Expecting value at line 1, column 9."),
        401: (
            "No key was sent, or it is not one of the service's keys.",
            "Send a key of this service as Authorization: Bearer <key>.",
        ),
        403: (
            "A page of another site sent it.",
            "This request comes from another site (Origin is https://example.org, this is localhost:8000); nothing was "
            "changed.",
        ),
        404: ("There is no such ingestion, or it has been forgotten; or no such worker.", _UNKNOWN),
        409: (
            "The ingestion's state rules it out, or the first request with this key is still being accepted.",
            "The ingestion is completed; nothing is left to cancel.",
        ),
        413: ("The body is too large.", "The data value transmitted exceeds the capacity limit."),
        415: ("The body is not sent as application/json, or is compressed.", "Send application/json, not text/plain."),
        422: ("The request is wrong, as errors lists; or the deadline cannot be met.", "priority is missing."),
        501: ("An extra is not installed.", "Metrics need prometheus-client: pip install 'Flask-Ingestion[metrics]'."),
        503: ("The queue is full, the store cannot be reached, or the worker is not running.", "The worker is dead."),
    }
    if keyed:
        words[403] = (
            "The key's role does not allow it, or a page of another site sent it.",
            "The key of 'importer' has the role submit; this needs the role operate.",
        )
        words[404] = (
            "There is no such ingestion, it has been forgotten, or it is another caller's; or no such worker.",
            _UNKNOWN,
        )
        words[429] = (
            "The caller has as many ids waiting as it may.",
            "900 of your ids are waiting and at most 1000 may; 200 more will fit in 165.0 s.",
        )
    else:
        del words[401]
    return {str(status): _refusal(status, *one, keyed=keyed) for status, one in sorted(words.items())}


def _refusal(status: int, about: str, detail: str, *, keyed: bool) -> JSON:
    example: JSON = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if status in _POINTERS:
        example["errors"] = [{"pointer": _POINTERS[status], "detail": detail}]
    content = {"application/problem+json": {"schema": ref("schemas", "Problem"), "example": example}}
    headers = {"WWW-Authenticate": _CHALLENGE} if status == 403 and keyed else _WITH.get(status)
    return {"description": about, "content": content, **({"headers": headers} if headers else {})}
