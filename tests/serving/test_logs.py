"""What a line of the log says."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.serving.logs import JSONFormatter, TextFormatter
from tests.support.command import Command
from tests.support.queueing import settings


def record(message: str, *args: object, **options: object) -> logging.LogRecord:
    logger = logging.getLogger("flask_ingestion")
    made = logger.makeRecord(logger.name, logging.WARNING, "file.py", 1, message, args, **options)
    made.created, made.msecs = 1_800_000_000.25, 250.0
    return made


def test_a_line_is_one_json_object_with_the_fields_of_the_record() -> None:
    fields = {"ingestion_id": "i", "batch_id": "b"}
    line = JSONFormatter().format(record("batch %s\nended", "b", exc_info=None, extra=fields))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "WARNING",
        "logger": "flask_ingestion",
        "message": "batch b\nended",
        "ingestion_id": "i",
        "batch_id": "b",
    }


def test_an_exception_is_a_member() -> None:
    try:
        raise ValueError("on purpose")
    except ValueError:
        line = JSONFormatter().format(record("it went wrong", exc_info=sys.exc_info()))
    document = json.loads(line)
    assert document["message"] == "it went wrong"
    assert document["exception"].startswith("Traceback")
    assert document["exception"].endswith("ValueError: on purpose")


def test_control_characters_in_what_others_wrote_are_escaped() -> None:
    line = TextFormatter().format(
        record("upstream said %s", "no\n2027-01-15 INFO all is well\x1b[2J\u2028", exc_info=None)
    )
    assert line == "2027-01-15T08:00:00.250Z WARNING upstream said no\\n2027-01-15 INFO all is well\\x1b[2J\\u2028"


def test_a_traceback_stays_readable_and_makes_no_line_of_the_log() -> None:
    try:
        raise ValueError("no\n2027-01-15T08:00:00.250Z INFO all is well\x1b[2J")
    except ValueError:
        first, *rest = TextFormatter().format(record("it went wrong", exc_info=sys.exc_info())).splitlines()
    assert first == "2027-01-15T08:00:00.250Z WARNING it went wrong"
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and "\x1b" not in line for line in rest)
    assert rest[-1] == "  2027-01-15T08:00:00.250Z INFO all is well\\x1b[2J"


def test_what_json_has_no_word_for_is_said_as_text() -> None:
    assert json.loads(JSONFormatter().format(record("x", exc_info=None, extra={"what": {1, 2}})))["what"] == "{1, 2}"


def test_the_standalone_service_logs_what_the_setting_says() -> None:
    environ = {"INGEST_PORT": "0", "INGEST_LOG_FORMAT": "json"}
    with Command("wsgi.py", environ=environ) as command:
        serving = json.loads(command.wait_for("serving on"))
        command.process.send_signal(signal.SIGTERM)
        command.end()
        assert serving["level"] == "INFO"
        assert all(json.loads(line)["logger"] == "flask_ingestion" for line in command.lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"),
        ("-m", "waitress", "--listen=127.0.0.1:0", "app.wsgi:app"),
    ],
)
def test_under_another_server_it_logs_so_too(arguments: Sequence[str]) -> None:
    with Command(*arguments, environ={"INGEST_LOG_FORMAT": "json"}) as command:
        assert json.loads(command.wait_for("no processor is set"))["level"] == "WARNING"


def test_a_worker_of_one_queue_logs_as_the_whole_does(tmp_path: Path) -> None:
    environ = {"INGEST_QUEUES": "crm,geo", "CRM_STORE": f"sqlite:///{tmp_path}/crm.db", "INGEST_LOG_FORMAT": "json"}
    with Command("-m", "app", "worker", "--queue", "crm", environ=environ) as command:
        assert json.loads(command.wait_for("no processor is set"))["logger"] == "flask_ingestion"


def test_a_dispatch_names_ingestion_and_batch() -> None:
    program = (
        "from app import create_app, ingestion_finished\n"
        "from app.serving.logs import log_to_stderr\n"
        "import threading\n"
        "log_to_stderr('json')\n"
        "over = threading.Event()\n"
        "@ingestion_finished.connect\n"
        "def end(app, **_): over.set()\n"
        "create_app().extensions['ingest'].submit([1], 'HIGH')\n"
        "over.wait(20)\n"
    )
    with Command("-c", program) as command:
        dispatched = json.loads(command.wait_for("dispatched batch"))
        assert re.fullmatch(r"[0-9a-f-]{36}", dispatched["ingestion_id"])
        assert dispatched["message"] == (
            f"dispatched batch {dispatched['batch_id']} of ingestion {dispatched['ingestion_id']}, attempt 1"
        )


def test_a_wrong_format_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="INGEST_LOG_FORMAT must be one of text, json, not 'xml'"):
        settings(log_format="xml")
