"""`/docs`: the description of the API as a page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
import shlex
from typing import Any

from flask import Blueprint, Response, render_template, request

from ..service import Service
from ..web import description, needs, over_tls, resolved

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs(blueprint: Blueprint, service: Service) -> None:
    """Add the page to the blueprint that the dashboard is nested in; it holds nobody's data, so it needs no key."""

    @blueprint.get("/docs")
    @needs(None)
    def docs() -> Response:
        document = description(service)
        page = render_template(
            "flask_ingestion/docs.html",
            name=service.name,
            document=document,
            groups=_groups(document),
            curl=lambda method, path, operation: _curl(document, method, path, operation),
            found=lambda part: resolved(document, part),
            pretty=_pretty,
        )
        return Response(page, headers={"Content-Security-Policy": _POLICY})


def _groups(document: Any) -> list[tuple[Any, list[tuple[str, str, Any]]]]:
    """Returns each tag with its operations: the method, the path and what there is to say."""
    operations = [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]
    return [(tag, [one for one in operations if tag["name"] in one[2]["tags"]]) for tag in document["tags"]]


def _curl(document: Any, method: str, path: str, operation: Any) -> str:
    """Returns the command that sends the example of an operation's request to this service."""
    for parameter in operation.get("parameters", ()):
        parameter = resolved(document, parameter)
        path = path.replace(f"{{{parameter['name']}}}", parameter.get("example", ""))
    root = document["servers"][0]["url"].rstrip("/")
    # A copied command sends a key, which must not go in clear where the page itself came over TLS.
    scheme = "https" if over_tls() else request.scheme
    address = shlex.quote(f"{scheme}://{request.host}{root}{path}")
    words = [f"curl -i {address}" if method == "get" else f"curl -i -X {method.upper()} {address}"]
    if "security" in operation:
        words.append('-H "Authorization: Bearer $KEY"')
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(words)


def _pretty(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2)
