"""The end of a service in the log: what still runs, and what it leaves in its queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..core import plural
from ..errors import StoreUnavailable
from ..service import Service

logger = logging.getLogger("flask_ingestion")


def say_stopping(signal: str, services: Sequence[Service]) -> None:
    """Log that a signal stops some services, how many batches run, and how long those have to end."""
    running = sum(service.running for service in services)
    grace = max(service.settings.shutdown_grace for service in services)
    logger.info("%s: stopping; %s in process, with %g s to end", signal, plural(running, "batch"), grace)


def say_what_is_left(service: Service, which: str = "") -> None:
    """Log what is still queued, and whether it is kept or lost; `which` begins the sentence where there are several."""
    try:
        waiting = service.store.stats().waiting
    except StoreUnavailable as error:
        logger.warning("%sstopped; what is still queued is not known: %s", which, error)
        return
    if not waiting:
        logger.info("%sstopped; nothing was queued", which)
    elif not service.store.durable:
        logger.warning("%sstopped; lost with the memory: %s still queued", which, plural(waiting, "batch"))
    else:
        logger.info("%sstopped; %s still queued, and kept", which, plural(waiting, "batch"))
