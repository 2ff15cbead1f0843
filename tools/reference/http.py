"""The page of the HTTP API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from app.config import Settings
from app.keys import Role, new_key
from app.naming import release
from app.web import resolved
from app.web.openapi import describe

from .markdown import code, table

HEAD = """# HTTP API

What a service with keys answers, under its default settings. Yours describes itself, with its own settings, at
`/openapi.json` (OpenAPI 3.1) and as a page at `/docs`. `/` of the standalone service leads a browser to the dashboard,
and gives a program a short index.
"""


def http() -> str:
    _, key = new_key("importer", Role.SUBMIT)
    document = describe(Settings.read({"INGEST_API_KEYS": str(key), "INGEST_KEY_QUOTA": 1000}), "ingest", "/")
    operations = [
        (f"`{method.upper()} {path}`", f"[{one['summary']}](#{_anchor(one['summary'])})")
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]
    lines = [HEAD, *table(("route", "what it does"), *operations), "", document["info"]["description"], ""]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}", "", tag["description"], ""]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    lines += _operation(document, f"{method.upper()} {path}", operation)
    lines += ["## Schemas", "", "Objects in answers may get more members; none is ever removed.", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += [f"### {name}", ""]
        lines += [schema["description"], ""] if "description" in schema else []
        lines += [*table(("member", "type", "meaning"), *_members(schema)), ""]
    # The version is that of whatever runs, and no reason to write the page anew.
    return "\n".join(lines).rstrip().replace(f'"{release()}"', '"…"') + "\n"


def _anchor(heading: str) -> str:
    """Returns what a forge calls a heading in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _operation(document: Any, route: str, operation: Any) -> Iterator[str]:
    yield from (f"### {operation['summary']}", "", f"`{route}`", "", operation["description"], "")
    parameters = [resolved(document, one) for one in operation.get("parameters", ())]
    if parameters:
        rows = [(f"`{one['name']}`", f"{one['in']}: {_kind(one['schema'])}", one["description"]) for one in parameters]
        yield from (*table(("parameter", "in", "meaning"), *rows), "")
    if body := operation.get("requestBody"):
        (media,) = body["content"].values()
        yield from (f"The body is {_kind(media['schema'])}, for example:", "", *_json(media["example"]), "")
    rows = []
    for status, part in operation["responses"].items():
        answer = resolved(document, part)
        contents = {
            _kind(one["schema"]) if "$ref" in one["schema"] else f"`{media}`": None
            for media, one in answer.get("content", {}).items()
        }
        what = " or ".join(contents) if status == "200" else answer["description"]
        rows.append((status, what, ", ".join(f"`{header}`" for header in answer.get("headers", ()))))
    yield from (*table(("status", "answer", "headers"), *rows), "")
    queue = document["paths"]["/queue"]["get"]
    schemas = [media["schema"] for media in queue["responses"]["200"]["content"].values()]
    for media in operation["responses"].get("200", {}).get("content", {}).values():
        if operation is not queue and media["schema"] in schemas:
            yield from (f"The answer is that of [`GET /queue`](#{_anchor(queue['summary'])}).", "")
        elif "example" in media:
            yield from ("For example:", "", *_json(media["example"]), "")


def _members(schema: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields each member of an object, and of the objects in it: its name, type and meaning."""
    for name, member in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        yield f"`{prefix}{name}`", _kind(member) + optional, member.get("description", "")
        inner = member.get("items", member)
        if isinstance(inner, dict):
            yield from _members(inner, f"{prefix}{name}{'[]' if 'items' in member else ''}.")


_BOUNDS = (("minimum", "maximum", ""), ("minItems", "maxItems", " of them"), ("minLength", "maxLength", " characters"))
_INT64_MAX = 2**63 - 1
"""As good as no bound."""


def _bounds(schema: Any) -> Iterator[str]:
    for least, most, of in _BOUNDS:
        if schema.get(most, _INT64_MAX) < _INT64_MAX:
            yield f"{schema.get(least, 0)} to {schema[most]}{of}"
        elif least in schema:
            yield f"at least {schema[least]}{of}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']} and below {schema['exclusiveMaximum']:.0f}"
    if "default" in schema:
        yield f"{schema['default']} by default"


def _kind(schema: Any) -> str:
    """Returns a schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join("null" if one is None else f"`{one}`" for one in schema["enum"])
    if "type" not in schema:
        return "anything"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if types == ["array"]:
        types = [f"array of {_kind(schema['items'])}"]
    elif "format" in schema:
        types = [schema["format"], *(one for one in types if one == "null")]
    return ", ".join([" or ".join(types), *_bounds(schema)])


def _json(example: Any) -> list[str]:
    if isinstance(example, str):
        return code("text", example.rstrip("\n"))
    text = json.dumps(example, indent=2)
    # Short lists on one line.
    return code("json", re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text))
