"""The floors of the HTTP rows: Flask views that do the minimum for such an answer, on the same server as our service.

`python -m benchmarks.floors` serves them with the same function, and so the same waitress settings, as our service;
`benchmarks.floors:app` is for granian. FLOOR_DOCUMENT holds the JSON document of the second view.
"""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask, request

from app import IngestionAPI


def create_floor() -> Flask:
    """A plain Flask app with the two views.

    Our extension is present but idle, because the server reads its settings from it.
    """
    app = Flask("floor", static_folder=None)
    app.config.update({key: value for key, value in os.environ.items() if key.startswith("INGEST_")})
    app.config["INGEST_AUTOSTART"] = False
    IngestionAPI(app)
    document = json.loads(os.environ.get("FLOOR_DOCUMENT", "{}"))

    @app.post("/floor")
    def submit() -> dict[str, Any]:
        request.get_json()
        return {"ingestion_id": "00000000-0000-4000-8000-000000000000"}

    @app.get("/floor")
    def status() -> dict[str, Any]:
        return document  # type: ignore[no-any-return]

    return app


if __name__ == "__main__":
    from app.serving.server import run

    raise SystemExit(run(create_floor))

app = create_floor()
