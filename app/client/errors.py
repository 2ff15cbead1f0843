"""What a client raises.

ClientError
├── Unreachable    no service answered: absent, too slow, cut off, or something other than this service
├── Refused        the service answered no, and says why
└── TimedOut       what was waited for had not ended when time ran out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import IngestError
from .documents import Ingestion


class ClientError(IngestError):
    """The base of every error of a client."""


class Unreachable(ClientError):
    """No service answered: it is absent, too slow, was cut off, or something else answers there.

    `sent` says whether the request may have taken effect, `again` whether another attempt may succeed.
    """

    def __init__(self, detail: str, *, sent: bool = True, again: bool = True) -> None:
        super().__init__(detail)
        self.sent = sent
        self.again = again


class Refused(ClientError):
    """The service answered no; the message is its reason.

    `status` is the HTTP status, `errors` the faults it lists, each with `pointer` and `detail`, `problem` the whole
    RFC 9457 document, and `retry_after` the seconds after which to ask again, where it gives them.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None) -> None:
        self.status = status
        self.detail = str(problem["detail"])
        errors = problem.get("errors")
        told = errors if isinstance(errors, list) else []
        self.errors: Sequence[Mapping[str, str]] = [one for one in told if isinstance(one, Mapping)]
        self.problem = problem
        self.retry_after = retry_after
        super().__init__(self.detail)


class TimedOut(ClientError):
    """Not everything had ended in time. `statuses` are the last ones known, `status` the first that is not final."""

    def __init__(self, timeout: float, statuses: Sequence[Ingestion]) -> None:
        unfinished = [one for one in statuses if not one.status.final]
        self.statuses = statuses
        self.status = unfinished[0]
        super().__init__(
            f"The ingestion is {self.status.status} after {timeout:g} s, and continues."
            if len(statuses) == 1
            else f"{len(unfinished)} of {len(statuses)} ingestions have not ended after {timeout:g} s, and continue."
        )
