"""Apps and clients for tests over HTTP; nothing is dispatched unless a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.core import Id
from app.keys import Key, Role, new_key
from app.service import Service


class Callers:
    """A key for each role and caller, with the headers that send it."""

    def __init__(self, *names_and_roles: tuple[str, Role]) -> None:
        self.texts: dict[str, str] = {}
        self.keys: list[Key] = []
        for name, role in names_and_roles:
            self.texts[name], key = new_key(name, role)
            self.keys.append(key)

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[name]}"}


def make_app(**settings: Any) -> Flask:
    """The standalone service without a worker."""
    return create_app(
        {"INGEST_AUTOSTART": False, **{f"INGEST_{name.upper()}": value for name, value in settings.items()}}
    )


def service_of(app: Flask) -> Service:
    service: Service = app.extensions["ingest"]
    return service


def ingest(client: FlaskClient, ids: Sequence[Id], priority: str = "HIGH", **options: Any) -> str:
    """Submit ids that must be accepted; the ingestion's id."""
    response = client.post("/ingest", json={"ids": ids, "priority": priority}, **options)
    assert response.status_code == 200, response.text
    ingestion_id: str = response.json["ingestion_id"]
    return ingestion_id
