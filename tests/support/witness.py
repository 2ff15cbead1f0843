"""A host's app that submits one id when it is imported, for tests of which process then dispatches it.

At its end, each process that imports it records in the file WITNESS who it was and what its worker was doing.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence

from flask import Flask

from app import IngestionAPI

from .gate import pass_gate

app = Flask(__name__)
app.config.update(INGEST_INTERVAL=0, INGEST_CONCURRENCY=1)
if "STORE" in os.environ:
    app.config.update(INGEST_STORE=os.environ["STORE"])
if "AUTOSTART" in os.environ:
    app.config.update(INGEST_AUTOSTART=os.environ["AUTOSTART"])
ingestion = IngestionAPI()
ingestion.init_app(app, url_prefix="/ingestion")


@ingestion.processor
def through_the_gate(ids: Sequence[int]) -> None:
    pass_gate(f"batch {list(ids)}")


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


def testify() -> None:
    with open(os.environ["WITNESS"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {ingestion.service.worker.state}\n")


ingestion.submit([1], "HIGH")
# The last one registered is the first to run: before the extension stops its worker.
atexit.register(testify)
sys.stderr.write(f"imported in {os.getpid()}\n")
