"""Everything this package raises on purpose.

IngestError
├── ConfigError           a setting is missing or wrong; names the key (also a ValueError)
├── PermanentError        raised by a processor: fail this batch now, another attempt would not help
│   └── InvalidResult     the processor returned something that cannot be kept as JSON for its ids
├── UpstreamError         the upstream gave no answer this time; the batch is retried as after any other failure
├── HoldQueue             raised by a processor: the upstream wants quiet; nothing starts until then
├── StoreUnavailable      the store cannot be reached or written; nothing was changed
└── Refusal               a request that cannot be granted as it stands
    ├── InvalidRequest    what was asked is malformed; lists every fault
    ├── UnknownIngestion  there is no such ingestion, or it has been forgotten
    ├── UnknownWorker     there is no such worker; names those that there are
    ├── Conflict          the ingestion is in a state that rules this out
    ├── KeyReused         an idempotency key was reused for a different request
    ├── KeyInUse          an idempotency key was sent again while its first request is still being accepted
    ├── TooLate           the deadline cannot be met
    ├── QuotaFull         the caller has as many ids waiting as it may; says when this would fit
    └── BacklogFull       the queue is at its limit; says when this would fit
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple


class IngestError(Exception):
    """The base of every error of this package. Each can be pickled, as a pool of processes does with errors."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception would call the class with the message alone.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[IngestError], args: tuple[Any, ...]) -> IngestError:
    return kind.__new__(kind, *args)


class ConfigError(IngestError, ValueError):
    """A setting is missing or wrong. The message names the key and what would be right."""


class PermanentError(IngestError):
    """Raised by a processor to fail its batch at once, without another attempt.

    `status` is that of the upstream's answer over HTTP, if there was one; callers who share a call see nothing else.
    """

    status: int | None = None

    def __init__(self, *told: object, status: int | None = None) -> None:
        super().__init__(*told)
        self.status = status


class InvalidResult(PermanentError):
    """A processor returned something that cannot be kept as JSON for its ids."""


class UpstreamError(IngestError):
    """The upstream could not be reached, broke off, or answered that it cannot serve the request now.

    `status` is as in PermanentError.
    """

    status: int | None = None

    def __init__(self, *told: object, status: int | None = None) -> None:
        super().__init__(*told)
        self.status = status


class HoldQueue(IngestError):
    """Raised by a processor when the upstream asks for quiet.

    Nothing is dispatched for `seconds`, from 0 to a year; the batch is started again afterwards and the attempt is not
    counted. Raises ValueError for anything else, which fails the attempt like any error.
    """

    LONGEST = 366 * 86_400.0
    """Seconds."""

    REASON = "the upstream asked for quiet"
    """The reason where none is given."""

    def __init__(self, seconds: float, reason: str = REASON) -> None:
        try:
            fits = 0 <= seconds <= self.LONGEST
        except TypeError:  # most likely the text of a header
            fits = False
        if not fits:
            raise ValueError(f"HoldQueue takes a number of seconds from 0 to {self.LONGEST:.0f}, not {seconds!r}.")
        super().__init__(f"{reason}; holding for {seconds:g} s")
        self.seconds = seconds


class StoreUnavailable(IngestError):
    """The store cannot be reached or written. Nothing was changed; `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: float = 5.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Fault(NamedTuple):
    """One thing wrong with a request: where, and what.

    `pointer` is an RFC 6901 JSON pointer as a URI fragment, or `query NAME`, `header NAME`, `path NAME`; from Python,
    also `owner` or `key`.
    """

    pointer: str
    detail: str


class Refusal(IngestError):
    """A request that cannot be granted as it stands; the message is fit for the caller's eyes."""


class InvalidRequest(Refusal):
    """What was asked is malformed. `faults` holds every fault found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = tuple(faults)


_ID = re.compile(r"\s*[0-9a-fA-F-]*[0-9a-fA-F][0-9a-fA-F-]*\s*")
"""What may be an ingestion's id, or the beginning of one."""


class UnknownIngestion(Refusal):
    """There is no ingestion with this id, or it ended and has been forgotten."""

    def __init__(self, text: str, candidates: Sequence[str] = ()) -> None:
        """`candidates` are some of the ids that begin with the text."""
        if candidates:
            super().__init__(f"Several ids begin with {text!r}, such as {', '.join(candidates)}; give more of it.")
        elif not _ID.fullmatch(str(text)):
            super().__init__(f"There is no ingestion {text!r}: an id has 32 digits, 0 to 9 and a to f, and dashes.")
        else:
            super().__init__(f"There is no ingestion {text!r}; finished ones are forgotten after a while.")


class UnknownWorker(Refusal):
    """There is no worker of this id, or on this host; or several have ids that begin like this."""


class Conflict(Refusal):
    """The ingestion is in a state that rules this out."""


class KeyReused(Refusal):
    """An idempotency key was reused for a different request."""

    def __init__(self, key: str | None) -> None:
        super().__init__(f"The idempotency key {key!r} was used with another request.")


class KeyInUse(Refusal):
    """An idempotency key was sent again while its first request is still being accepted."""


class TooLate(Refusal):
    """The deadline cannot be met; `earliest` is the soonest the ingestion could end, in epoch seconds."""

    def __init__(self, detail: str, earliest: float) -> None:
        super().__init__(detail)
        self.earliest = earliest


class QuotaFull(Refusal):
    """The caller has as many ids waiting as it may. `retry_after` is in seconds until this request would fit."""

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BacklogFull(Refusal):
    """The queue is at its limit. `retry_after` is in seconds until this request would fit."""

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
