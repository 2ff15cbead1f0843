"""`/docs`: the description of the API as a page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, render_template, request

from ..web import needs, over_tls, resolved, root_path

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs(
    blueprint: Blueprint,
    name: str,
    describe: Callable[[str], Any],
    *,
    overview: str = ".dashboard.overview",
    static: str = ".dashboard.static",
) -> None:
    """Add the page of the description under a root to a blueprint; it holds nobody's data, so it needs no key.

    `overview` is the endpoint of the dashboard, to which it leads, and `static` that of its files.
    """

    @functools.lru_cache(16)  # by what a page says of its own address; making one takes 15 ms
    def page(origin: str, root: str) -> str:
        document = describe(root or "/")
        return render_template(
            "flask_ingestion/docs.html",
            name=name,
            overview=overview,
            static=static,
            document=document,
            groups=_groups(document),
            curl=lambda method, path, operation: _curl(document, f"{origin}{root}", method, path, operation),
            found=lambda part: resolved(document, part),
            pretty=_pretty,
        )

    @blueprint.get("/docs")
    @needs(None)
    def docs() -> Response:
        # A copied command sends a key, which must not go in clear where the page itself came over TLS.
        scheme = "https" if over_tls() else request.scheme
        text = page(f"{scheme}://{request.host}", root_path().rstrip("/"))
        return Response(text, headers={"Content-Security-Policy": _POLICY})


def _groups(document: Any) -> list[tuple[Any, list[tuple[str, str, Any]]]]:
    """Returns each tag with its operations: the method, the path and what there is to say."""
    operations = [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]
    return [(tag, [one for one in operations if tag["name"] in one[2]["tags"]]) for tag in document["tags"]]


def _curl(document: Any, address: str, method: str, path: str, operation: Any) -> str:
    """Returns the command that sends the example of an operation's request to the service at an address."""
    for parameter in operation.get("parameters", ()):
        parameter = resolved(document, parameter)
        path = path.replace(f"{{{parameter['name']}}}", parameter.get("example", ""))
    url = shlex.quote(f"{address}{path}")
    words = [f"curl -i {url}" if method == "get" else f"curl -i -X {method.upper()} {url}"]
    if "security" in operation:
        words.append('-H "Authorization: Bearer $KEY"')
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(words)


def _pretty(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2)
