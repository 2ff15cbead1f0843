"""Beside Flask-SQLAlchemy: a processor has a session of its own for each batch, which ends with it."""

import os

from flask import Flask
from flask_ingestion import IngestionAPI
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config.update(SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"], INGEST_INTERVAL=0.1, INGEST_CONCURRENCY=1)
db = SQLAlchemy(app)
ingestion = IngestionAPI(app, url_prefix="/ingestion")


class Visit(db.Model):
    number = db.Column(db.Integer, primary_key=True)
    record = db.Column(db.Integer, nullable=False)


with app.app_context():
    db.create_all()


@ingestion.processor
def visit(ids):
    """Whatever is not committed is rolled back, and the batch is retried."""
    db.session.add_all(Visit(record=one) for one in ids)
    db.session.commit()


@app.get("/visits")
def visits():
    return [visit.record for visit in db.session.scalars(db.select(Visit).order_by(Visit.number))]
