"""An ingestion as JSON, for answers and callbacks alike. New members are only ever added."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from typing import Any

from .models import Ingestion

_LAST = 253_402_300_799_999
"""The last millisecond of the year 9999, the latest that RFC 3339 can express."""


dumps = json.JSONEncoder(separators=(",", ":")).encode
"""JSON text without spaces."""


def timestamp(seconds: float | None) -> str | None:
    """Returns epoch seconds as an RFC 3339 time in UTC, to the millisecond; what is past the year 9999 as its end."""
    if seconds is None:
        return None
    minute, milliseconds = divmod(min(round(seconds * 1000), _LAST), 60_000)
    return f"{_minute(minute)}:{milliseconds / 1000:06.3f}Z"


@functools.lru_cache(1024)  # Neighbouring batches share their minute; a page may have 200,000 times.
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(60 * minute, UTC).isoformat()[:16]


def ingestion_document(ingestion: Ingestion) -> dict[str, Any]:
    document = {
        "ingestion_id": ingestion.id,
        "status": ingestion.status.value,
        "priority": ingestion.priority.name,
        "id_count": ingestion.id_count,
        "batch_count": ingestion.batch_count,
        "counts": ingestion.counts._asdict(),
        "created_at": timestamp(ingestion.created_at),
        "started_at": timestamp(ingestion.started_at),
        "finished_at": timestamp(ingestion.finished_at),
    }
    if ingestion.owner is not None:
        document["owner"] = ingestion.owner
    if ingestion.served is not None:
        document["served"] = ingestion.served
    return document
