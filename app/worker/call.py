"""One call of the processor, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

from .. import signals
from ..core import Answer, Batch, BatchError, Claim, Id, error_of, key_of, merged, parted
from ..errors import HoldQueue, IngestError
from .announcements import fields, named

logger = logging.getLogger("flask_ingestion")

Process: TypeAlias = Callable[[Sequence[Id]], Sequence[Answer]]
"""Takes a call's ids and returns JSON text or an error for each, or an empty sequence if all are null."""


Returned: TypeAlias = list[Sequence[Answer]]
"""The processor returned: the results of each batch of the call."""


class Raised(NamedTuple):
    """The processor raised; `why` is what each batch keeps of it."""

    error: BaseException
    why: BatchError


class Held(NamedTuple):
    """The upstream asked for a hold."""

    hold: HoldQueue


class CutOff(NamedTuple):
    """Python is ending and let the processor start nothing more, which says nothing of the ids."""


Result: TypeAlias = Returned | Raised | Held | CutOff
"""What came of a call."""


def call(process: Process, claim: Claim, emitter: signals.Emitter, *, by_id: bool) -> Result:
    """Call the processor for the batches of a claim, in the app's context; nothing that it raises gets out.

    `by_id` says that an id that comes twice is asked once, as it is where several batches share the call.
    """
    batches = claim.batches
    if logger.isEnabledFor(logging.INFO):
        for batch in batches:
            logger.info("dispatched %s, attempt %d", named(batch), batch.attempt, extra=fields(batch))
    came = _outcome(process, batches, emitter, by_id=by_id)
    if not isinstance(came, BaseException):
        return came
    if isinstance(came, HoldQueue):
        return Held(came)
    if isinstance(came, RuntimeError) and pools_are_closed():
        logger.warning("Python is ending, so %s is put back: %s", named(batches[0]), came, extra=fields(batches[0]))
        return CutOff()
    key = key_of(batches)
    why = error_of(came, claim.owners, key)
    _log(came, why, batches, key)
    return Raised(came, why)


def pools_are_closed() -> bool:
    """Returns whether Python lets no pool of `concurrent.futures` start anything more: its main thread has ended.

    So it is for asyncio too, which looks up names in a pool.
    """
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(int)
        except RuntimeError as error:
            return "interpreter shutdown" in str(error)  # not for want of threads
    return False


def _outcome(
    process: Process, batches: Sequence[Batch], emitter: signals.Emitter, *, by_id: bool
) -> Returned | BaseException:
    """Returns what the processor returned, or what it or a receiver raised.

    What a teardown of the host raises after the call is logged, and changes nothing of what came of it.
    """
    parts: list[tuple[Id, ...]] = [tuple(batch.ids) for batch in batches]  # a receiver may change a batch's list
    came: Returned | BaseException | None = None
    try:
        for batch in batches:
            emitter.emit(signals.batch_started, batch=batch)
        with emitter.app.app_context():
            try:
                came = _answered(process, parts, by_id=by_id)
            except BaseException as error:
                came = error
                raise  # the host's teardowns are told of it
    except BaseException as error:
        if came is None or not isinstance(error, Exception | SystemExit):
            return error
        if error is not came:
            logger.exception("a teardown of the app's context raised after %s", named(batches[0]))
    assert came is not None, "it returned or raised"
    return came


def _answered(process: Process, parts: Sequence[tuple[Id, ...]], *, by_id: bool) -> Returned:
    if len(parts) == 1 and not by_id:
        return [process(parts[0])]
    asked = merged(parts)
    return parted(parts, asked, process(asked))


def _log(error: BaseException, why: BatchError, batches: Sequence[Batch], key: str) -> None:
    whole, trace = BatchError.of(error), None if isinstance(error, IngestError) else error
    if why != whole:
        logger.warning("call %s, which callers share, failed: %s: %s", key, *whole, exc_info=trace)
        trace = None
    for batch in batches:
        logger.warning(
            "attempt %d at %s failed: %s",
            batch.attempt,
            named(batch),
            why.message,
            exc_info=trace if batch is batches[0] else None,
            extra=fields(batch),
        )
