"""Beside Flask-Talisman and Flask-WTF: the host's headers and its CSRF tokens stay its own."""

import os

from flask import Flask
from flask_ingestion import IngestionAPI
from flask_talisman import Talisman
from flask_wtf import CSRFProtect

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SECRET_KEY"], INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1
)
# A proxy in front speaks TLS here; without one, leave force_https as it is.
Talisman(app, force_https=False, frame_options="DENY")
csrf = CSRFProtect(app)
ingestion = IngestionAPI(app, url_prefix="/ingestion")
# Programs have no tokens. The queue itself refuses what a browser sends from another site.
csrf.exempt(app.blueprints["ingest"])


@app.post("/profile")
def profile():
    return {"saved": True}
