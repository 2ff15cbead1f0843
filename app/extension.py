"""The Flask extension: the one place that wires the rest together."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, TypeVar, overload

from flask import Flask, current_app, has_app_context

from .config import Settings
from .core import (
    BatchError,
    Clock,
    Estimate,
    Id,
    Ingestion,
    Priority,
    Quote,
    SystemClock,
    check_pauses,
    check_priority,
)
from .dashboard import add_docs, make_dashboard
from .errors import ConfigError
from .hooks import tend
from .processors import Processor, checked
from .routes import make_blueprint
from .service import Service, listed
from .serving import refuse_blind_forks, will_serve
from .web import answer_unrouted, describe, refuse_collisions
from .wiring import load_processor, open_store

P = TypeVar("P", bound=Processor)


class IngestionAPI:
    """A queue in front of a slow upstream, as an extension of a Flask app.

    `name` names the instance: its settings are read from `app.config` under `<NAME>_`, and `app.extensions[name]` holds
    its Service. Several differently named instances on one app each have a queue, a rate and settings of their own; one
    object can also serve several apps.
    """

    def __init__(self, app: Flask | None = None, *, name: str = "ingest", url_prefix: str | None = None) -> None:
        self.name = name
        self._processor: Processor | None = None
        self._configured: str | None = None
        # Weak references to the apps alone, so that what they hold is freed with them.
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app, url_prefix=url_prefix)

    def init_app(self, app: Flask, *, url_prefix: str | None = None, clock: Clock | None = None) -> None:
        """Add the routes and the worker to an app.

        The worker starts once there is a processor: at once if one is configured, else with `@processor`,
        else with the first request, whose ids are then only simulated. Under Flask's TESTING nothing starts by itself,
        unless AUTOSTART is set; see `run_until_idle`.
        Raises ConfigError for a wrong setting or prefix, RuntimeError where the app already has an instance of this
        name, or a route in the place of one that a queue cannot do without, and under uWSGI without an option that it
        needs.
        """
        name, clock = self.name, clock or SystemClock()
        if name in app.extensions:
            raise RuntimeError(f"This app already has an ingestion named {name!r}; give the second another name.")
        root = _root(url_prefix)
        prefix = Settings.key_of(name)
        settings = Settings.read(app.config, prefix)
        Settings.log_unknown(app.config, prefix)
        refuse_blind_forks()
        asked = settings.autostart and f"{prefix}AUTOSTART" in app.config
        if settings.queues:
            raise ConfigError(f"{prefix}QUEUES is for the standalone service; here, each queue is an IngestionAPI.")
        configured = load_processor(settings, prefix)
        if configured and self._processor:
            raise ConfigError(
                f"{name!r} has a decorated processor and {prefix}PROCESSOR or {prefix}UPSTREAM_URL; keep one."
            )
        service = Service(
            name,
            app,
            settings,
            clock,
            open_store=lambda: open_store(settings, clock, name),
            find_processor=lambda: configured or self._processor,
            autostart=settings.autostart and will_serve(),
            is_tested=lambda: settings.eager or bool(app.config["TESTING"] and not asked),
        )
        blueprint = make_blueprint(name, service)
        blueprint.register_blueprint(make_dashboard(service), url_prefix="/dashboard")
        add_docs(blueprint, name, partial(describe, settings, name))
        if root:
            answer_unrouted(blueprint, root)
        refuse_collisions(app, blueprint, url_prefix)
        service.open()
        app.register_blueprint(blueprint, url_prefix=url_prefix)
        app.extensions[name] = service
        self._apps.add(app)
        tend(service)
        if configured:
            self._configured = f"{prefix}PROCESSOR or {prefix}UPSTREAM_URL"
        if configured or self._processor:
            service.ensure_started()

    def processor(self, function: P) -> P:
        """Decorate the callable that processes a batch's ids; this starts the worker.

        It takes a sequence of up to `BATCH_SIZE` ids, runs in the app's context, and returns a mapping from id to JSON,
        or a sequence of JSON in the order of the ids, or None. Raises ConfigError for a second, or an async, one.
        """
        if self._processor is not None:
            raise ConfigError(f"{self.name!r} already has the processor {self._processor!r}; an instance has one.")
        if self._configured:
            raise ConfigError(f"{self.name!r} has {self._configured} and a decorated processor; keep one.")
        self._processor = checked(function, "The processor")
        for service in self._services():
            service.ensure_started()
        return function

    @property
    def service(self) -> Service:
        """The Service of the current app, or of the only app. Raises RuntimeError where there is neither."""
        if has_app_context() and current_app._get_current_object() in self._apps:  # type: ignore[attr-defined]
            return self._of(current_app)
        services = self._services()
        if len(services) == 1:
            return services[0]
        if not services:
            raise RuntimeError("This IngestionAPI has no app yet; call init_app first.")
        raise RuntimeError("This IngestionAPI serves several apps; call it inside the context of one of them.")

    def _of(self, app: Flask) -> Service:
        service: Service = app.extensions[self.name]
        return service

    def _services(self) -> list[Service]:
        return [self._of(app) for app in list(self._apps)]

    def start(self) -> None:
        """Start dispatching, unless this process already does; `stop` ends it."""
        self.service.start()

    def stop(self, grace: float | None = None) -> None:
        """Stop dispatching; running batches have `grace` seconds to end (SHUTDOWN_GRACE where None). Idempotent."""
        self.service.stop(grace)

    def run_until_idle(self, *, raises: bool = False, seconds: float | None = None) -> int:
        """In a test, run everything that waits in this thread, while time jumps from start to start.

        Returns how many attempts ran. Sweeps come first. Batches run one after the other, in the order, at the times,
        with the holds and retries that they would have with a worker, and take no time unless their processor advances
        the clock. With `seconds`, only what starts within them. With `raises`, what a processor raised is raised here,
        after it counted as a failed attempt. Raises RuntimeError outside a test, and while a worker runs.
        """
        return self.service.run_until_idle(raises=raises, seconds=seconds)

    def submit(
        self,
        ids: Iterable[Id],
        priority: Priority | str,
        *,
        deadline: str | float | None = None,
        callback: str | None = None,
        fresh: float | None = None,
        key: str | None = None,
        owner: str | None = None,
    ) -> Ingestion:
        """Accept ids, as `POST /ingest` does; returns the ingestion, whose batches wait for their turn from now on.

        `deadline` is a time in RFC 3339, or seconds from now, by which it must be able to end. `callback` is the URL
        that its end is sent to, on a host that WEBHOOK_HOSTS names. `fresh` is a number of seconds that counts instead
        of FRESH, at most that; with 0, no answer from before counts. The same request under the same `key` is accepted
        once. `owner` is the caller in whose name it is.
        Raises InvalidRequest, KeyReused, KeyInUse, BacklogFull, TooLate or StoreUnavailable; nothing is queued then.
        """
        return self.service.submit(
            ids, priority, deadline=deadline, callback=callback, fresh=fresh, key=key, owner=owner
        )

    def get(self, ingestion_id: str) -> Ingestion:
        """Returns the ingestion as it stands. Raises UnknownIngestion."""
        return self.service.store.get(ingestion_id)

    def status(self, ingestion_id: str) -> tuple[Ingestion, Estimate | None]:
        """Returns the ingestion as it stands, and where its batches are in the line; None once it has ended.

        Raises UnknownIngestion.
        """
        ingestion, estimate, _ = self.service.store.status(ingestion_id, limit=0)
        return ingestion, estimate

    def quote(self, ids: Iterable[Id], *, owner: str | None = None) -> dict[Priority, Quote]:
        """Returns when these ids would start and end at each priority; nothing is queued. Raises InvalidRequest."""
        return self.service.quote({"ids": listed(ids), "priority": Priority.HIGH}, owner)

    @overload
    def results(self, ingestion_id: str) -> Iterator[tuple[Id, str]]: ...
    @overload
    def results(self, ingestion_id: str, *, failed: bool) -> Iterator[tuple[Id, str | BatchError]]: ...
    def results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[tuple[Id, Any]]:
        """Returns each answered id with its data as JSON text. Raises UnknownIngestion.

        With `failed`, each id that failed too, with its error's type and message.
        """
        return self.service.store.results(ingestion_id, failed=failed)

    def cancel(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Cancel what has not started of an ingestion, which cannot be undone; what runs ends as usual.

        Takes its whole id; `by` is who the audit log names. Raises UnknownIngestion, and Conflict where it has ended in
        another way.
        """
        return self.service.cancel(ingestion_id, by)

    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Start the failed batches of an ingestion over, each with all its attempts; `by` is who the audit log names.

        Raises UnknownIngestion, and Conflict where none has failed or it is cancelled.
        """
        return self.service.redrive(ingestion_id, by)

    def move(self, ingestion_id: str, priority: Priority | str, by: str | None = None) -> Ingestion:
        """Move the waiting batches of an ingestion to another priority, in its creation order.

        `by` is who the audit log names. Raises UnknownIngestion, Conflict where it has ended, or InvalidRequest for
        what is no priority.
        """
        return self.service.move(ingestion_id, check_priority({"priority": priority}), by)

    def redrive_callback(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Send an ingestion's undelivered callbacks again, at once; `by` is who the audit log names.

        Raises UnknownIngestion, and Conflict where no callback is pending or failed.
        """
        return self.service.redrive_callback(ingestion_id, by)

    def pause(self, by: str | None = None, *, priority: Priority | str | None = None, owner: str | None = None) -> None:
        """Stop starting batches until `resume`; `by` is who the audit log names.

        With `priority` or `owner`, only those of that priority and of that caller. Raises InvalidRequest.
        """
        self.service.pause(by, check_pauses(priority, owner))

    def resume(
        self, by: str | None = None, *, priority: Priority | str | None = None, owner: str | None = None
    ) -> None:
        """End a pause of the queue, or of that priority and that caller; each has its own.

        `by` is who the audit log names. Raises InvalidRequest.
        """
        self.service.resume(by, check_pauses(priority, owner))

    def end_hold(self, by: str | None = None) -> None:
        """End a hold that the upstream asked for, if there is one; `by` is who the audit log names."""
        self.service.end_hold(by)

    def change_rate(
        self,
        by: str | None = None,
        *,
        interval: float | None = None,
        burst: int | None = None,
        limits: dict[str, str] | None = None,
    ) -> None:
        """Change the rate, within RATE_LEAST and RATE_MOST, until `reset_rate`; what is not given is as configured.

        `limits` holds a limit for the name of each that it replaces. Raises InvalidRequest, and changes nothing then.
        """
        rate = {"interval": interval, "burst": burst, "limits": limits}
        self.service.change_rates({name: value for name, value in rate.items() if value is not None}, by)

    def reset_rate(self, by: str | None = None) -> None:
        """Go back to the rate that is configured, from what `change_rate` made it; `by` is who the audit log names."""
        self.service.reset_rates(by)


def _root(url_prefix: str | None) -> str:
    """Returns what the paths of an instance start with. Raises ConfigError."""
    if url_prefix and (not url_prefix.startswith("/") or "<" in url_prefix):
        raise ConfigError(f"url_prefix must start with a slash and have no variable part, not {url_prefix!r}.")
    return (url_prefix or "").rstrip("/")
