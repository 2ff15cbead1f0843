"""The commands that are the service: `serve` and `worker`."""

from __future__ import annotations

import logging
import os

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..config import Settings
from ..core import plural
from ..errors import ConfigError
from ..service import Service, services_of
from ..web import make_probes

logger = logging.getLogger("flask_ingestion")


@click.command()
@click.pass_context
def serve(context: click.Context) -> None:
    """Serve the app until SIGTERM or SIGINT, by the INGEST_ settings in the environment."""
    from ..serving.server import run

    def create_app() -> Flask:
        app = _app(context)
        services = services_of(app.extensions)
        if not services:
            raise click.UsageError("This app has no ingestion.")
        for service in services:
            if service.settings.autostart:
                service.start()
        return app

    context.exit(run(create_app))


@click.command()
@click.option("--name", "--queue", default="ingest", show_default=True, help="The instance to work for.")
@click.option("--listen", is_flag=True, help="Answer /livez, /readyz and /metrics at INGEST_HOST and INGEST_PORT.")
@click.pass_context
def worker(context: click.Context, name: str, *, listen: bool) -> None:
    """Dispatch without answering requests, until SIGTERM or SIGINT; for a store that others fill."""
    from ..serving.httpd import listen as listening
    from ..serving.logs import log_to_stderr
    from ..serving.server import StopSignals, stop_in_time
    from ..serving.server import serve as answer
    from ..serving.stopping import say_stopping, say_what_is_left

    service = _service(_app(context), name)
    if not service.store.durable:
        key, url = Settings.key_of(name, "store"), service.settings.store
        raise click.UsageError(f"No other process can fill {url}; set {key} to one that processes share.")
    settings = Settings.read(os.environ)
    log_to_stderr(settings.log_format)
    try:
        probes = make_probes(service, settings) if listen else None
        sockets = listening(settings.host, settings.port) if listen else []
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(str(error)) from None

    def is_over() -> bool:
        return service.worker.state != "running"

    with StopSignals() as signals:
        service.start()
        logger.info("the worker of %r runs up to %s at once", name, plural(service.settings.concurrency, "batch"))
        if probes:
            context.exit(answer(probes, sockets, signals, is_over))
        signals.wait(is_over)
        if signals.received:
            say_stopping(signals.received, [service])
        if in_time := stop_in_time(service):
            say_what_is_left(service)
    context.exit(0 if signals.received and in_time else 1)


def _app(context: click.Context) -> Flask:
    """Returns the app of `flask --app`, or the service by itself."""
    try:
        return context.ensure_object(ScriptInfo).load_app()
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _service(app: Flask, name: str) -> Service:
    service = app.extensions.get(name)
    if not isinstance(service, Service):
        names = ", ".join(one.name for one in services_of(app.extensions))
        there = f"those are {names}; name one with --queue" if names else "there are none"
        raise click.UsageError(f"This app has no ingestion named {name!r}; {there}.")
    return service
