"""Beside Flask-Login: whoever is signed in to the host may use the queue, and nobody else."""

import os

from flask import Flask, request
from flask_ingestion import IngestionAPI
from flask_login import LoginManager, UserMixin, current_user, login_user

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SECRET_KEY"], INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1
)
login = LoginManager(app)
ingestion = IngestionAPI(app, url_prefix="/ingestion")


class User(UserMixin):
    id = "ada"


@login.user_loader
def load_user(name):
    return User() if name == User.id else None


@app.post("/sign-in")
def sign_in():
    if request.form.get("password") != os.environ["PASSWORD"]:
        return login.unauthorized()
    login_user(User())
    return {"user": current_user.id}


@app.before_request
def only_users():
    """Guards the API and the dashboard alike; the probes are for a load balancer, which has no password."""
    probe = request.endpoint in ("ingest.livez", "ingest.readyz")
    if "ingest" in request.blueprints and not probe and not current_user.is_authenticated:
        return login.unauthorized()
    return None
