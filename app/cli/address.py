"""Where the service of a command is, if nobody says so."""

from __future__ import annotations

import os

import click
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from ..errors import ConfigError
from ..service import Service

ALONE = "http://127.0.0.1:8000"
"""Where the standalone service is unless it is told otherwise."""

_SET = "INGEST_URL, or --url"


def presumed(context: click.Context, queue: str | None = None) -> tuple[str, str]:
    """Returns the URL of the service that a verb calls, or of one of its queues, and a sentence that says why this one.

    Under `flask ingestion` it is the instance of the app beside it, at the address at which `flask run` would serve it.
    Raises UsageError where that is not one instance.
    """
    script = context.find_object(ScriptInfo)
    if script is None or context.parent is None or context.parent.parent is None:
        return f"{ALONE}/{queue}" if queue else ALONE, f"This is the default; if the service is elsewhere, set {_SET}."
    try:
        app = script.load_app()
    except NoAppException as error:
        raise click.UsageError(f"{error.format_message()}\n\nOr set {_SET}, to where a service runs.") from None
    except ConfigError as error:
        raise click.UsageError(f"{error} Or set {_SET}, to where a service runs.") from None
    found = _instances(app)
    name = queue or (next(iter(found)) if len(found) == 1 else "ingest")
    if name not in found:
        listed = ", ".join(f"{name!r} at {url}" for name, url in found.items())
        hint = "" if queue else ("name one with --queue, or " if listed else "")
        raise click.UsageError(f"This app has {listed or 'no ingestion'}; {hint}set {_SET}, to the one to call.")
    why = f"This is where `flask run` serves {name!r} of this app; if it is served elsewhere, set {_SET}."
    return found[name], why


def _instances(app: Flask) -> dict[str, str]:
    """Returns where each instance of an app is served, by its name."""
    host = app.config["SERVER_NAME"] or f"{_run('HOST', '127.0.0.1')}:{_run('PORT', '5000')}"
    root = f"{app.config['PREFERRED_URL_SCHEME']}://{host}{app.config['APPLICATION_ROOT'].rstrip('/')}"
    paths = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}
    return {
        name: root + paths[f"{name}.ingest"].removesuffix("/ingest")
        for name, service in app.extensions.items()
        if isinstance(service, Service)
    }


def _run(option: str, default: str) -> str:
    return os.environ.get(f"FLASK_RUN_{option}") or default
