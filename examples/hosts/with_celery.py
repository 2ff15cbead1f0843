"""Beside Celery: what follows the end of an ingestion is a task, and only the web process calls the upstream.

Run the worker with `celery --app with_celery:tasks worker`.
"""

import os
import sys
from pathlib import Path

from celery import Celery
from flask import Flask
from flask_ingestion import IngestionAPI, ingestion_finished

FOLDER = os.environ["BROKER_FOLDER"]

# A broker in a folder, so that this runs without Redis.
tasks = Celery(__name__, broker="filesystem://")
tasks.conf.broker_transport_options = {
    "data_folder_in": FOLDER,
    "data_folder_out": FOLDER,
    "control_folder": f"{FOLDER}/control",
}

app = Flask(__name__)
app.config.update(INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1)
# Celery's workers import this module too, and must not dispatch.
app.config["INGEST_AUTOSTART"] = Path(sys.argv[0]).name != "celery"
ingestion = IngestionAPI(app, url_prefix="/ingestion")


@tasks.task
def report(ingestion_id, status):
    with Path(FOLDER, "report.txt").open("a") as file:
        file.write(f"{ingestion_id} {status}\n")


@ingestion_finished.connect_via(app)
def finished(_app, ingestion, **_):
    report.delay(ingestion.id, ingestion.status.value)
