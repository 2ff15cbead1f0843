"""The processor that calls an HTTP upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from ...config import Settings
from ...core import Id, key_of
from ...errors import ConfigError
from ..current import current_batches
from .address import address_of
from .answers import Answers
from .calling import Caller
from .templates import Asks

_NOTHING = frozenset({204})
_ABSENT = frozenset({204, 404, 410})


class HttpUpstream:
    """Gets the data of a batch's ids over HTTP.

    A URL with `{ids}` makes one request for the batch, its distinct ids joined by commas, answered by a JSON object
    keyed by id or an array in the order of the ids. A URL with `{id}` makes one request per distinct id, one after
    the other, answered by any JSON; when one of them fails, all of them are made again with the batch. One token pays
    for all of them, so an upstream that counts each wants a BATCH_SIZE of 1. No content (204), or a bare null, is null
    for every id asked. Templates, and where items and their ids are in an answer, can be set.

    `UPSTREAM_TIMEOUT` bounds each connect and each wait for data, `PROCESS_TIMEOUT` all of a call's requests together,
    however slowly an answer comes. User and password in the URL are sent as basic authentication (RFC 7617).
    """

    def __init__(self, settings: Settings, prefix: str = "INGEST_") -> None:
        """Raises ConfigError for a URL that cannot be called, a template or an expression that fails."""
        address = address_of(settings.upstream_url, f"{prefix}UPSTREAM_URL")
        if address.userinfo and "authorization" in dict(settings.upstream_headers):
            raise ConfigError(
                f"{prefix}UPSTREAM_URL holds a user, and {prefix}UPSTREAM_HEADERS an authorization; keep one."
            )
        self._asks = Asks(address.target, settings, prefix)
        absent = self._asks.each and settings.upstream_missing == "fail"
        nothing = _ABSENT if absent else _NOTHING
        self._caller = Caller(address, settings, nothing=nothing, secrets=self._asks.constants)
        self._answers = Answers(self._caller.name, self._caller.quoted, settings, prefix)
        self._idempotency_header = settings.upstream_idempotency_header

    def __call__(self, ids: Sequence[Id]) -> Mapping[Any, Any] | None:
        """Returns the data of each id, or that it failed.

        Raises PermanentError if the upstream refuses or its answer is unusable, HoldQueue if it wants quiet,
        and UpstreamError if another attempt may succeed.
        """
        deadline = self._caller.deadline()
        distinct = list(dict.fromkeys(ids))
        if self._asks.each:
            return {one: self._one(one, deadline) for one in distinct}
        reply = self._caller.call(self._asks.of(distinct), deadline, headers=self._key())
        return self._answers.of_many(distinct, reply)

    def _one(self, one: Id, deadline: float) -> Any:
        reply = self._caller.call(self._asks.of([one]), deadline, about=f" for id {one}", headers=self._key(one))
        return self._answers.of_one(one, reply)

    def _key(self, one: Id | None = None) -> dict[str, str]:
        """Returns the idempotency header of the call's request, or of that of its requests which is for one id."""
        if not self._idempotency_header:
            return {}
        batches = current_batches()
        if one is None:
            return {self._idempotency_header: key_of(batches)}
        batch = next(each for each in batches if one in each.ids)
        whole = len(batch.ids) == 1 and not batch.asked
        return {self._idempotency_header: batch.key if whole else str(uuid5(UUID(batch.id), str(one)))}
