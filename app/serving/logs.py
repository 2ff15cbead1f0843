"""The log of the standalone service on stderr: lines for people, or one JSON object a line (LOG_FORMAT).

In an embedding app, the host decides: everything goes to the logger `flask_ingestion`.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from ..core import printable, timestamp

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class JSONFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, then the record's own fields, such as `ingestion_id`."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


class TextFormatter(logging.Formatter):
    """A line for people. What others wrote, as an upstream in its errors, cannot make lines or colours of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        # Indented, so that no line of a traceback can pass for one of the log.
        return "\n".join(f"  {printable(line)}" for line in super().formatException(ei).split("\n"))


def log_to_stderr(log_format: str) -> None:
    """Log from INFO up, unless the process has configured logging before. `log_format` is `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if log_format == "text" else JSONFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Alembic tells of each of its own parts when it is imported.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # waitress warns of every request that waits for a thread, which under load is every request.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
