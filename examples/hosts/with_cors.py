"""Beside Flask-CORS: pages elsewhere may call the host's API, and the queue only where both say so."""

import os

from flask import Flask
from flask_cors import CORS
from flask_ingestion import IngestionAPI

FRONTEND = "https://app.example.org"

app = Flask(__name__)
app.config.update(INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1)
# Flask-CORS lets the frontend read answers, ALLOWED_ORIGINS lets it change things.
app.config["INGEST_ALLOWED_ORIGINS"] = FRONTEND
CORS(app, resources={r"/(api|ingestion)/.*": {"origins": FRONTEND}})
ingestion = IngestionAPI(app, url_prefix="/ingestion")


@app.get("/api/hello")
def hello():
    return {"hello": "there"}


@app.get("/internal")
def internal():
    return {"for": "this site alone"}
