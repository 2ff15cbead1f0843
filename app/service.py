"""What can be asked of a queue; the same for HTTP and for the host's own code."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import Any
from uuid import uuid4

from .callbacks import Callback
from .core import (
    WHOLE_QUEUE,
    Id,
    Ingestion,
    Pauses,
    Priority,
    Quote,
    Rates,
    Search,
    Sought,
    Stats,
    Sweep,
    SweepFilter,
    WorkerReport,
    batch_count,
    batch_position,
    check_concurrency,
    check_rates,
    check_request,
    count_sweep,
    id_prefix,
    ingestion_prefix,
    name_fault,
    named_worker,
    search,
    string_fault,
)
from .errors import Conflict, Fault, IngestError, InvalidRequest, StoreUnavailable, UnknownIngestion
from .idempotency import KeysInUse, fingerprints_of
from .lifecycle import Lifecycle
from .signals import ingestion_accepted, ingestion_refused
from .store import Submission
from .worker import announce_if_ended, announce_served

logger = logging.getLogger("flask_ingestion")

_CANDIDATES = 3
"""Ids that the refusal of an ambiguous one names."""


class Service(Lifecycle):
    """One queue in one app, and what can be asked of it."""

    def _renew(self) -> None:
        super()._renew()
        self._keys = KeysInUse()

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
        """Accept ids as `POST /ingest` does; returns the ingestion.

        `fresh` is a number of seconds that counts instead of FRESH, at most that; with 0, no answer from before counts.
        Raises InvalidRequest, KeyReused, KeyInUse, BacklogFull, TooLate or StoreUnavailable; nothing is queued then.
        """
        self.ensure_started()
        more = {"deadline": deadline, "callback": callback, "fresh": fresh}
        body = {"ids": listed(ids), "priority": priority, **more}
        return self.accept(body, key=key, owner=owner)

    def accept(self, body: Any, *, key: str | None = None, owner: str | None = None) -> Ingestion:
        """Accept the JSON of a request as `submit` does, in a process that has looked whether it should dispatch."""
        store, worker, *_ = self.open()
        try:
            if owner is not None and (fault := name_fault(owner)):
                raise InvalidRequest([Fault("owner", f"owner {fault}")])
            if key is not None and (fault := name_fault(key)):
                raise InvalidRequest([Fault("key", f"The idempotency key {fault}")])
            if self.shutting_down and not store.durable:
                raise StoreUnavailable("The service is about to stop, and would lose this; send it again in a moment.")
            with self._keys.use(owner, key) if key is not None else nullcontext():
                checked = check_request(body, self.settings, self.clock.now())
                packed, priority, deadline, callback, fresh = checked
                own, alias = fingerprints_of(checked, body.get("deadline")) if key is not None else ("", None)
                submission = Submission(packed, priority, owner, key, own, deadline, callback, fresh, alias)
                ingestion, new = store.add(submission)
        except IngestError as error:
            self.refused(error)
            raise
        if new:
            try:
                self.emitter.emit(ingestion_accepted, ingestion=ingestion)
            finally:  # a KeyboardInterrupt may end the caller, but not what was accepted
                worker.added()
            announce_served(store.served, self.emitter)
            self.warn_of_loss()
        return ingestion

    def refused(self, error: Exception) -> None:
        """Announce that a submission was refused, by `accept` or before."""
        self.emitter.emit(ingestion_refused, error=error)

    def quote(self, body: Any, owner: str | None = None) -> dict[Priority, Quote]:
        """Returns when an owner's request with this JSON would start and end at each priority; nothing is queued."""
        ids = check_request(body, self.settings, self.clock.now()).ids
        return self.store.quote(batch_count(len(ids), self.settings.batch_size), owner)

    def stats(self) -> Stats:
        """Returns the state of the queue, and whether any worker can start something: this process's, or another."""
        stats, works = self.store.stats(), self.worker.state == "running"
        if self.store.trouble and not works:
            with suppress(StoreUnavailable):
                self.store.ping()  # nothing else in this process tries again
        trouble = self.store.trouble
        if self.is_eager or (works and not trouble):
            return stats
        others = (one for one in self.store.workers() if one.id != self.worker.id)
        return stats.without("store" if trouble else "worker") if all(one.is_stuck for one in others) else stats

    def workers(self) -> list[WorkerReport]:
        """Returns who works on the queue: this process's worker as it is now, others as they last reported."""
        here, told = self.worker, self.store.workers()
        return [one._replace(busy=here.running, abandoned=here.abandoned) if one.id == here.id else one for one in told]

    @property
    def simulates(self) -> bool:
        """Whether this process works without a processor: ids are completed, and nothing is fetched or sent."""
        return self.worker.state != "off" and self.find_processor() is None

    def find(self, text: str, owner: str | None = None) -> tuple[str, int | None]:
        """Returns the id of the ingestion that `text` stands for, and a position if that is the id of a batch.

        It may be an ingestion's id, the beginning of one, or a batch's whole id; with an `owner`, only its ingestions
        count. Raises UnknownIngestion, which names candidates if there are several.
        """
        prefix = id_prefix(text)
        if prefix is None:
            raise UnknownIngestion(text)
        found = self.store.find(prefix, owner=owner, limit=_CANDIDATES)
        if len(found) == 1:
            return found[0].id, None
        if found:
            raise UnknownIngestion(text, [one.id for one in found])
        of_batch = ingestion_prefix(prefix)
        for one in self.store.find(of_batch, owner=owner) if of_batch else ():
            position = batch_position(one.id, prefix)
            if position < one.batch_count:
                return one.id, position
        raise UnknownIngestion(text)

    def where(self, text: str, *, owner: str | None = None, limit: int = 20) -> Search:
        """Returns where the id that `text` writes is, `limit` times at most; with an `owner`, in its ingestions alone.

        Raises InvalidRequest for what cannot be an id.
        """
        if fault := string_fault(text):
            raise InvalidRequest([Fault("path id", f"The id {fault}")])
        return search(self.store.finder, self.store.ingestions, Sought.of(text), owner=owner, limit=limit)

    def cancel(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Cancel what has not started, which cannot be undone. Raises UnknownIngestion or Conflict."""
        ingestion, new = self.store.cancel(ingestion_id, by)
        if new:
            announce_if_ended(self.emitter, ingestion)
        self.worker.wake()
        return ingestion

    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Start the failed batches over. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.redrive(ingestion_id, by)
        self.worker.wake()
        return ingestion

    def move(self, ingestion_id: str, priority: Priority, by: str | None = None) -> Ingestion:
        """Move the waiting batches of an ingestion to another priority. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.move(ingestion_id, priority, by)
        self.worker.wake()
        return ingestion

    def count_sweep(self, verb: str, where: SweepFilter) -> tuple[int, int]:
        """Returns how many ingestions a sweep would act on now, and how many of their batches."""
        return count_sweep(verb, where, self.store.ingestions, self.store.failures)

    def sweep(
        self, verb: str, where: SweepFilter, request: Any, *, by: str | None = None, key: str | None = None
    ) -> Sweep:
        """Redrive or cancel all that match, in the background; returns the sweep, whose progress the store knows.

        In a host's test, `run_until_idle` carries it out. Under the same key, the same `request`, which the filter
        comes from, is started once. Raises KeyReused.
        """
        fingerprint = hashlib.sha256(f"{verb} {json.dumps(request, sort_keys=True)}".encode()).hexdigest()
        matched, _ = self.count_sweep(verb, where)
        asked = Sweep(str(uuid4()), verb, where, by, key, fingerprint, self.clock.now(), matched)
        sweep, new = self.store.sweeps.add(asked)
        if new:
            logger.warning("%r: %s asked for a %s of %d ingestions", self.name, by or "somebody", verb, matched)
        if not self.is_eager:
            self.sweeper.start()
        return sweep

    def latest_callback(self, ingestion_id: str) -> Callback | None:
        """Returns the callback of the ingestion's latest end, None where there is none."""
        callbacks = self.store.outbox.of(ingestion_id) if self.courier else []
        return callbacks[0] if callbacks else None

    def redrive_callback(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Send an ingestion's undelivered callbacks again, at once. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.get(ingestion_id)
        if not self.store.outbox.redrive(ingestion.id, by):
            raise Conflict("No callback of the ingestion is pending or failed; there is nothing to send again.")
        self._wake_courier()
        return ingestion

    def pause(self, by: str | None = None, what: Pauses = WHOLE_QUEUE) -> None:
        """Stop starting batches, all or those of some priorities and callers, until `resume`."""
        self.store.pause(by, what)
        logger.warning("%s is paused", _of(what, self.name))

    def resume(self, by: str | None = None, what: Pauses = WHOLE_QUEUE) -> None:
        """End a pause, of the queue or of some priorities and callers."""
        self.store.resume(by, what)
        logger.warning("%s is resumed", _of(what, self.name))
        self.worker.wake()

    def end_hold(self, by: str | None = None) -> None:
        """End a hold that the upstream asked for, if there is one."""
        if self.store.end_hold(by):
            logger.warning("the hold of %r is ended", self.name)
            self.worker.wake()

    def change_rates(self, body: Any, by: str | None = None) -> None:
        """Go by the rates in the JSON of a request, within RATE_LEAST and RATE_MOST, until `reset_rates`.

        Raises InvalidRequest, and changes nothing then.
        """
        self.store.change_rates(check_rates(body, self.settings), by)
        logger.warning("the rate of %r is changed: %s", self.name, json.dumps(body))
        self.worker.wake()

    def reset_rates(self, by: str | None = None) -> None:
        """Go back to the rate that is configured."""
        self.store.change_rates(Rates(), by)
        logger.warning("the rate of %r is as configured again", self.name)
        self.worker.wake()

    def change_concurrency(self, body: Any, worker: str | None = None, by: str | None = None) -> None:
        """Run as many batches at once as the JSON of a request says, from 1 to CONCURRENCY_MOST.

        In each process on the store, or in that of a `worker`: its id, the beginning of it, or a host. Other processes
        follow with their next report, within a third of LEASE. Raises InvalidRequest or UnknownWorker, and changes
        nothing then.
        """
        count, name = check_concurrency(body, self.settings), named_worker(worker, self.store.workers())
        self.store.change_concurrency(name, count, by)
        logger.warning("%s of %r may run %d batches at once", name or "each process", self.name, count)
        self.worker.resize()

    def reset_concurrency(self, worker: str | None = None, by: str | None = None) -> None:
        """Run as many batches at once as is configured, everywhere or in that of a `worker`. Raises UnknownWorker."""
        name = worker if worker in self.store.stats().concurrency.some else named_worker(worker, self.store.workers())
        self.store.change_concurrency(name, None, by)
        logger.warning("%s of %r may run as many batches as is configured", name or "each process", self.name)
        self.worker.resize()


def listed(ids: Any) -> Any:
    """Returns the list of what an iterable yields; a text, whose letters are no ids, and anything else as it is."""
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str | bytes) else ids


def _of(what: Pauses, name: str) -> str:
    """Returns what is paused or resumed, in words."""
    parts = [priority.name for priority in sorted(what.priorities)] + [repr(owner) for owner in sorted(what.owners)]
    return f"{' and '.join(parts)} in {name!r}" if parts else repr(name)


def services_of(extensions: Mapping[str, object]) -> list[Service]:
    """Returns the instances among the extensions of an app, in the order in which they were added."""
    return [one for one in extensions.values() if isinstance(one, Service)]
