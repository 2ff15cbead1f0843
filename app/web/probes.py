"""What an orchestrator and Prometheus ask a process, and an app that answers nothing else."""

from __future__ import annotations

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from ..config import Settings
from ..errors import IngestError, StoreUnavailable
from ..keys import Role
from ..service import Service
from .answers import as_json, secure
from .auth import Guard
from .hosts import check_hosts, refuse_open
from .metrics import exposed
from .problems import from_error, from_http, problem
from .request import current
from .requirements import needs


def add_probes(blueprint: Blueprint, service: Service) -> None:
    """Add the routes that say whether this process is alive, and whether it is ready."""

    @blueprint.get("/livez")
    @needs(None)
    def livez() -> Response:
        return _health(service.worker.state, "dead", "stuck")

    @blueprint.get("/readyz")
    @needs(None)
    def readyz() -> Response:
        try:
            service.store.ping()
        except StoreUnavailable as error:
            return from_error(error)
        return _health("stopping" if service.shutting_down else service.worker.state, "dead", "stuck", "stopping")


def _health(state: str, *bad: str) -> Response:
    if state in bad:
        return problem(503, f"The worker is {state}.")
    return as_json({"status": "ok", "worker": state})


def make_probes(service: Service, settings: Settings) -> Flask:
    """Returns an app with the probes and the metrics of one instance, for a process that answers nothing else.

    `settings` are those of the process. Raises ConfigError where other machines could read the metrics without a key.
    """
    refuse_open(settings, [service])
    app = Flask("flask_ingestion", static_folder=None)
    app.extensions[service.name] = service
    check_hosts(app, settings, keyed=bool(service.settings.api_keys))
    blueprint, guard = Blueprint(service.name, __name__), Guard(service)
    blueprint.register_error_handler(IngestError, from_error)
    blueprint.before_request(lambda: guard.check(current()))
    blueprint.after_request(secure)
    add_probes(blueprint, service)

    @blueprint.get("/metrics")
    @needs(Role.READ)
    def metrics() -> Response:
        return exposed([service])

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        if error.code != 404:
            return secure(from_http(error))
        return problem(404, "This process runs batches, and answers /livez, /readyz and /metrics alone.")

    app.register_blueprint(blueprint)
    return app
