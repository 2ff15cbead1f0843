"""The service with an additional view, which waits at the gate: `python -m tests.support.slow_service`."""

from __future__ import annotations

from flask import Flask

from app import create_app
from app.serving.server import run

from .gate import pass_gate


def make() -> Flask:
    app = create_app()

    @app.get("/slow/<name>")
    def slow(name: str) -> str:
        pass_gate(f"request {name}")
        return name

    return app


if __name__ == "__main__":
    raise SystemExit(run(make))
