"""`/openapi.json`, the description of the API for programs; the dashboard shows it to people."""

from __future__ import annotations

from flask import Blueprint, Response

from ..core import dumps
from ..service import Service
from .answers import Answer
from .auth import needs
from .openapi import describe
from .params import root_path
from .schemas import JSON


def description(service: Service) -> JSON:
    """Returns the OpenAPI document of an instance, in a request for a route directly below its root."""
    return describe(service.settings, service.name, root_path().rstrip("/") or "/")


def add_reference(blueprint: Blueprint, service: Service) -> None:
    """Add the description of the API; it holds nobody's data, so it needs no key."""

    @blueprint.get("/openapi.json")
    @needs(None)
    def openapi() -> Response:
        return Answer(dumps(description(service)))
