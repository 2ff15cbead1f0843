"""One queue with its worker, and its operations; the same for HTTP and for the host's own code."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import weakref
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol
from uuid import uuid4

from .callbacks import Callback, Courier
from .config import Settings
from .core import (
    ALL,
    Answer,
    Checked,
    Clock,
    Id,
    Ingestion,
    Pauses,
    Priority,
    Quote,
    Rates,
    Search,
    Sought,
    Strings,
    Sweep,
    SweepFilter,
    SystemClock,
    batch_count,
    batch_position,
    check_concurrency,
    check_rates,
    check_request,
    id_prefix,
    ingestion_prefix,
    named_worker,
    search,
    steps,
    string_fault,
)
from .errors import Conflict, Fault, IngestError, InvalidRequest, KeyInUse, StoreUnavailable, UnknownIngestion
from .processors import Processor, encode_results, simulate
from .signals import Emitter, Sender, ingestion_accepted, ingestion_finished, ingestion_refused
from .store import Forkable, Store, Submission
from .worker import Drain, Sweeper, Worker, announce, announce_served

logger = logging.getLogger("flask_ingestion")


_CANDIDATES = 3
"""Ids that the refusal of an ambiguous one names."""

_LAST_STEP = 5.0
"""Seconds that a step of a sweep has to end when the service stops."""

_LAST_POST = 1.0
"""Seconds that a callback on its way has to be answered when the service stops."""


class Collector(Protocol):
    """What gathers the metrics of an instance, as prometheus-client does."""

    def collect(self) -> Iterable[Any]: ...


class Service:
    """One queue in one app: its settings, store, worker, and courier (None where nobody is told of an end).

    `find_processor` is called for every batch; if it returns None, the work is only simulated. `autostart` says whether
    this process dispatches without an explicit start, and `is_tested`, asked each time, whether it is a host's test, in
    which nothing runs by itself. Its threads and its store end with it when its app is dropped.
    """

    def __init__(
        self,
        name: str,
        app: Sender,
        settings: Settings,
        clock: Clock,
        *,
        open_store: Callable[[], Store],
        find_processor: Callable[[], Processor | None],
        autostart: bool,
        is_tested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.emitter = Emitter(name, app)
        self.collector: Collector | None = None
        self.find_processor = find_processor
        self._open_store = open_store
        self._autostart = autostart
        self._is_tested = is_tested
        self._active = False
        self._is_asked = False
        if isinstance(clock, SystemClock) and is_tested():
            clock.stand_still()
        if settings.tells:
            self.emitter.observe(ingestion_finished, lambda **_: self._wake_courier())
        if settings.eager:
            logger.warning("%s is set: %r runs nothing by itself", Settings.key_of(name, "eager"), name)
        self._open()

    def _open(self) -> None:
        self.shutting_down = False
        self._lock = threading.Lock()
        self._accepting: set[tuple[str | None, str]] = set()
        self.store = self._open_store()
        self.worker = Worker(self.name, self.store, self.settings, self.clock, self._run_processor, self.emitter)
        self.sweeper = Sweeper(self.name, self.store, self.settings.lease, self.clock, self.emitter, self.worker.wake)
        self.courier = Courier(self.name, self.store.outbox, self.settings, self.clock) if self.settings.tells else None
        alarms = [one.alarm for one in (self.worker, self.sweeper, self.courier) if one]
        self._parting = weakref.finalize(self, _part_apart, self.store, self.worker.id, *alarms)
        self._parting.atexit = False

    def ensure_started(self) -> None:
        """Start dispatching if this process should and has not been stopped."""
        if self.is_eager:
            self._stand_still()
        elif self._autostart:
            try:
                self._start()
            except RuntimeError as error:
                logger.error(
                    "the worker of %r could not be started, the next request tries again: %s", self.name, error
                )

    def start(self) -> None:
        """Start dispatching, unless already running. Raises RuntimeError if no thread can be started."""
        self._is_asked = True
        if isinstance(self.clock, SystemClock):
            self.clock.go_on()
        self._start()

    def _start(self) -> None:
        with self._lock:
            if self._active:
                return
            self.worker.start()
            if self.courier:
                self.courier.start()
            if self.store.durable or self.store.sweeps.latest(1):
                self.sweeper.start()
            self._active, self._autostart = True, False
        if self.find_processor() is None:
            logger.warning("no processor is set for %r: ids are only simulated, nothing is fetched or sent", self.name)

    @property
    def is_eager(self) -> bool:
        """Whether this is a host's test, whose `run_until_idle` alone runs anything, and no worker was asked for."""
        return not self._is_asked and self._is_tested()

    def run_until_idle(self, *, raises: bool = False, seconds: float | None = None) -> int:
        """Run everything that waits in this thread, while time jumps to each start; returns how many attempts ran.

        Batches run one after the other, in the order, at the times, with the holds and retries that they would have
        with a worker, and take no time unless their processor advances the clock. With `seconds`, only what starts
        within them. With `raises`, what a processor raised is raised here, after it counted as a failed attempt.
        Raises RuntimeError outside a test, and while a worker runs.
        """
        if not self.is_eager:
            running = "stop() its worker first" if self._active else "it needs Flask's TESTING, or EAGER"
            raise RuntimeError(f"run_until_idle() of {self.name!r} is for tests: {running}.")
        self._stand_still()
        if not isinstance(clock := self.clock, SystemClock):
            raise RuntimeError(f"{self.name!r} has a clock of its own, which run_until_idle() cannot advance.")
        drain = Drain(
            self.name, self.store, self.settings, clock, self._run_processor, self.emitter, advance=clock.advance
        )
        return drain.run(raises=raises, seconds=seconds)

    def _stand_still(self) -> None:
        """In a test, stop what started before it was known to be one, and have time stand still."""
        if self._active:
            self.stop(0)
        if not isinstance(self.clock, SystemClock) or self.clock.stands_still:
            return
        self.clock.stand_still()
        if self.store.durable:  # it was opened with the time of its database
            self._parting.detach()
            self.store.close()
            self._open()

    def begin_shutdown(self) -> None:
        """Prepare for the end of the process: claim nothing more, and accept nothing that would be lost with it."""
        self.shutting_down = True
        self._stop_claiming()

    def _stop_claiming(self) -> None:
        with self._lock:
            self._active = self._autostart = False
            self.worker.stop_claiming()

    def stop(self, grace: float | None = None) -> None:
        """Stop dispatching; running batches have `grace` seconds to end (None: SHUTDOWN_GRACE). Idempotent."""
        self._is_asked = False
        self._stop_claiming()
        self.worker.stop(self.settings.shutdown_grace if grace is None else grace)
        self.sweeper.stop(_LAST_STEP)
        if self.courier:
            self.courier.stop(_LAST_POST)

    def after_fork(self) -> None:
        """In a forked child: share nothing with the parent, whose threads are not here, and dispatch if it did."""
        self._parting.detach()
        if isinstance(self.store, Forkable):
            self.store.disown()
        self._open()
        if self._active:
            self._active = False
            self._start()

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
        body = {"ids": list(ids), "priority": priority, "deadline": deadline, "callback": callback, "fresh": fresh}
        return self.accept(body, key=key, owner=owner)

    def accept(self, body: Any, *, key: str | None = None, owner: str | None = None) -> Ingestion:
        """Accept the JSON of a request as `submit` does."""
        self.ensure_started()
        try:
            if self.shutting_down and not self.store.durable:
                raise StoreUnavailable("The service is about to stop, and would lose this; send it again in a moment.")
            with self._only_one(owner, key) if key is not None else nullcontext():
                checked = check_request(body, self.settings, self.clock.now())
                packed, priority, deadline, callback, fresh = checked
                fingerprint = _fingerprint(checked, body.get("deadline")) if key is not None else ""
                submission = Submission(packed, priority, owner, key, fingerprint, deadline, callback, fresh)
                ingestion, new = self.store.add(submission)
        except IngestError as error:
            self.refused(error)
            raise
        if new:
            self.worker.added()
            self.emitter.emit(ingestion_accepted, ingestion=ingestion)
            announce_served(self.store.served, self.emitter)
        return ingestion

    def refused(self, error: Exception) -> None:
        """Announce that a submission was refused, by `accept` or before."""
        self.emitter.emit(ingestion_refused, error=error)

    def quote(self, body: Any, owner: str | None = None) -> dict[Priority, Quote]:
        """Returns when an owner's request with this JSON would start and end at each priority; nothing is queued."""
        ids = check_request(body, self.settings, self.clock.now()).ids
        return self.store.quote(batch_count(len(ids), self.settings.batch_size), owner)

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
        """Cancel what has not started. Raises UnknownIngestion or Conflict."""
        ingestion, new = self.store.cancel(ingestion_id, by)
        if new and ingestion.finished_at is not None:
            announce(self.emitter, ingestion)
        self.worker.wake()
        return ingestion

    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Start the failed batches over. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.redrive(ingestion_id, by)
        self.worker.wake()
        return ingestion

    def move(self, ingestion_id: str, priority: Priority, by: str | None = None) -> Ingestion:
        """Have what waits of an ingestion go at another priority. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.move(ingestion_id, priority, by)
        self.worker.wake()
        return ingestion

    def count_sweep(self, verb: str, where: SweepFilter) -> tuple[int, int]:
        """Returns how many ingestions a sweep would act on now, and how many of their batches."""
        ingestions = batches = 0
        for some, _ in steps(verb, where, self.store.ingestions, self.store.failures):
            ingestions += len(some)
            for one in some:
                batches += one.counts.failed if verb == "redrive" else one.counts.unfinished
        return ingestions, batches

    def sweep(
        self, verb: str, where: SweepFilter, request: Any, *, by: str | None = None, key: str | None = None
    ) -> Sweep:
        """Redrive or cancel all that match, in the background; returns the sweep, whose progress the store knows.

        Under the same key, the same `request`, which the filter comes from, is started once. Raises KeyReused.
        """
        fingerprint = hashlib.sha256(f"{verb} {json.dumps(request, sort_keys=True)}".encode()).hexdigest()
        matched, _ = self.count_sweep(verb, where)
        asked = Sweep(str(uuid4()), verb, where, by, key, fingerprint, self.clock.now(), matched)
        sweep, new = self.store.sweeps.add(asked)
        if new:
            logger.warning("%r: %s of %d ingestions is asked for by %s", self.name, verb, matched, by or "somebody")
        self.sweeper.start()
        return sweep

    def latest_callback(self, ingestion_id: str) -> Callback | None:
        """Returns what is told of the ingestion's latest end, None where there is nothing, or nobody, to tell."""
        callbacks = self.store.outbox.of(ingestion_id) if self.courier else []
        return callbacks[0] if callbacks else None

    def redrive_callback(self, ingestion_id: str) -> Ingestion:
        """Send what was not told of an ingestion's end again, at once. Raises UnknownIngestion or Conflict."""
        ingestion = self.store.get(ingestion_id)
        if not self.store.outbox.redrive(ingestion_id):
            raise Conflict("No callback of the ingestion is pending or failed; there is nothing to send again.")
        self._wake_courier()
        return ingestion

    def _wake_courier(self) -> None:
        if self.courier:
            self.courier.wake()

    def pause(self, by: str | None = None, what: Pauses = ALL) -> None:
        """Stop starting batches, all or those of some priorities and callers, until `resume`."""
        self.store.pause(by, what)
        logger.warning("%s is paused", _of(what, self.name))

    def resume(self, by: str | None = None, what: Pauses = ALL) -> None:
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
        logger.warning("the rate of %r is as configured", self.name)
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

    def _run_processor(self, ids: Sequence[Id]) -> Sequence[Answer]:
        processor = self.find_processor() or simulate
        own = list(ids)
        return encode_results(ids, processor(own), own)

    @contextmanager
    def _only_one(self, owner: str | None, key: str) -> Iterator[None]:
        """Refuse a second request with the same key while the first is being accepted."""
        with self._lock:
            if (owner, key) in self._accepting:
                raise KeyInUse(f"A request with the idempotency key {key!r} is just being accepted; ask again.")
            self._accepting.add((owner, key))
        try:
            yield
        finally:
            with self._lock:
                self._accepting.discard((owner, key))


def _of(what: Pauses, name: str) -> str:
    """Returns what is paused or resumed, in words."""
    parts = [priority.name for priority in sorted(what.priorities)] + [repr(owner) for owner in sorted(what.owners)]
    return f"{' and '.join(parts)} in {name!r}" if parts else repr(name)


def _part_apart(*parts: Any) -> None:
    """Part in another thread: the garbage collector may come along inside the very locks that this takes."""
    start_new_thread(_part, parts)


def _part(store: Store, worker_id: str, *alarms: Callable[[], None]) -> None:
    """End what an app that was dropped leaves behind: its threads, its entry among the workers, its connections."""
    for alarm in alarms:
        alarm()
    try:
        store.leave(worker_id)
    except StoreUnavailable as error:
        logger.info("the worker of a dropped app is listed until its lease ends: %s", error)
    finally:
        store.close()


def _fingerprint(checked: Checked, deadline: Any) -> str:
    ids, priority, _, callback, fresh = checked
    told = "".join(f"{one} " for one in (callback, fresh) if one is not None)
    digest = hashlib.sha256(f"{priority.name} {deadline!r} {told}".encode())
    digest.update(b"strings " + ids.lines if isinstance(ids, Strings) else ids)
    return digest.hexdigest()
