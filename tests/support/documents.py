"""Documents of the service, made from the examples in the API's description."""

from __future__ import annotations

from typing import Any

from app.config import Settings
from app.web.examples import answers

EXAMPLES = answers(Settings.read({}))


def status(word: str, ingestion_id: str = "abc", **more: Any) -> dict[str, Any]:
    """A status page without batches."""
    return {**EXAMPLES["getStatus"], "ingestion_id": ingestion_id, "status": word, "batches": [], **more}


def page(*ingestions: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    """A page of the listing."""
    return {"ingestions": list(ingestions), "next_cursor": cursor}


def ingestion(ingestion_id: str, word: str = "triggered", **more: Any) -> dict[str, Any]:
    """An ingestion as a listing has it."""
    (example,) = EXAMPLES["listIngestions"]["ingestions"]
    return {**example, "ingestion_id": ingestion_id, "status": word, **more}
