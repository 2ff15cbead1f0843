"""Beside Flask-RESTX: its namespace, its description and its errors stay its own."""

import os

from flask import Flask
from flask_ingestion import IngestionAPI
from flask_restx import Api, Resource

app = Flask(__name__)
app.config.update(INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1)
api = Api(app, title="Orders", prefix="/api")
ingestion = IngestionAPI(app, url_prefix="/ingestion")


@api.errorhandler(LookupError)
def gone(error):
    """It was there once."""
    return {"message": f"order {error.args[0]} is gone"}, 410


@api.route("/orders/<int:number>")
class Order(Resource):
    def get(self, number):
        raise LookupError(number)

    def post(self, number):
        """Fetch an order's record when there is time."""
        return {"ingestion": ingestion.submit([number], "LOW").id}, 202
