"""Submitting 5 ids and asking for their status over HTTP, on 16 connections."""

from __future__ import annotations

import functools

from . import load, servers
from .series import Contender, Plan, Series, interleave

IDS = [104_729, 224_737, 350_377, 479_909, 611_953]
COUNT = 3000
NEIGHBOURS = ("waitress", "floor", "granian", "floor granian", "fastapi")
"""In this order, so that contenders that are compared run one after the other."""


def measure(plan: Plan) -> dict[str, Series]:
    """Requests per second: "submit waitress", "status floor granian" and so on."""
    with servers.serving(*servers.SERVICES) as services:
        # It waits behind everything submitted at MEDIUM, so it stays unfinished throughout.
        paths = {name: f"/status/{servers.post(port, IDS, 'LOW')}" for name, port in services.items()}
        document = servers.fetch(services["waitress"], paths["waitress"]).decode()
        with servers.serving(*servers.FLOORS, environment={"FLOOR_DOCUMENT": document}) as floors:
            ports, body = {**services, **floors}, servers.body(IDS, "MEDIUM")
            contenders: dict[str, Contender] = {}
            for name in NEIGHBOURS:
                submit = "/ingest" if name in services else "/floor"
                contenders[f"submit {name}"] = functools.partial(_rate, ports[name], submit, body)
            for name in NEIGHBOURS:
                contenders[f"status {name}"] = functools.partial(_rate, ports[name], paths.get(name, "/floor"), None)
            return interleave(plan, contenders)


def _rate(port: int, path: str, body: str | None) -> float:
    return load.run(load.Load(port, path, body, count=COUNT)).rate
