"""What an answer says of each id: its data, that there is none, or why it failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...config import Settings
from ...core import Id
from ...errors import HoldQueue
from ..contract import Failed
from .calling import Reply
from .limits import retry_after
from .queries import Query
from .quotation import Quotation


class Answers:
    """Finds the items of an answer with UPSTREAM_RESULTS, and the id of each with UPSTREAM_RESULT_ID.

    Without the latter, items are an object keyed by id or an array in the order of the ids; the answer to a request for
    one id is its item. A null is no item. UPSTREAM_ERROR finds in an item why its id failed.
    """

    def __init__(self, name: str, quoted: Quotation, settings: Settings, prefix: str) -> None:
        """Raises ConfigError for an expression that is none."""

        def query(setting: str) -> Query | None:
            expression = getattr(settings, setting)
            return Query(expression, f"{prefix}{setting.upper()}", quoted) if expression else None

        self._quoted = quoted
        self._adapt = settings.upstream_adapt
        self._results, self._result_id = query("upstream_results"), query("upstream_result_id")
        self._error = query("upstream_error")
        self._missing = Failed(f"{name} has nothing for it.") if settings.upstream_missing == "fail" else None

    def of_one(self, one: Id, reply: Reply) -> Any:
        """Returns the item of an answer that is about one id."""
        items = self._located(reply)
        if items is not None and self._result_id:
            items = self._matched([one], items, self._result_id, reply).get(one)
        return self._data(items, reply)

    def of_many(self, ids: Sequence[Id], reply: Reply) -> Mapping[Any, Any] | None:
        """Returns the item of each id."""
        items = self._located(reply)
        if items is None:
            return dict.fromkeys(ids, self._missing) if self._missing else None
        matched = self._result_id
        found = self._matched(ids, items, matched, reply) if matched else self._by_shape(ids, items, reply)
        return {one: self._data(found.get(one), reply) for one in (ids if self._missing else found)}

    def _located(self, reply: Reply) -> Any:
        if reply.data is None or self._results is None:
            return reply.data
        if (found := self._results(reply.data, reply)) is not None:
            return found
        without = f"without {self._results}"
        # MediaWiki refuses this way while its databases lag.
        if self._adapt and (seconds := retry_after(reply.headers)) is not None:
            raise HoldQueue(seconds, reply.says(without))
        raise reply.unfit(without)

    def _matched(self, ids: Sequence[Id], items: Any, result_id: Query, reply: Reply) -> dict[Id, Any]:
        """Returns each item by the id that it names. One that was not asked for is left out, unless all are."""
        if isinstance(items, dict):
            items = list(items.values())
        if not isinstance(items, list):
            raise reply.unfit(f"with a {type(items).__name__}, not an array of items")
        items = [item for item in items if item is not None]
        names = {str(one): one for one in ids}
        found: dict[Id, Any] = {}
        for item in items:
            named = result_id(item, reply)
            if isinstance(named, bool) or not isinstance(named, (int, str)) or (one := names.get(str(named))) is None:
                continue
            if one in found:
                raise reply.unfit(f"with two items whose {result_id} is {self._quoted(repr(named))}")
            found[one] = item
        if items and not found:
            raise reply.unfit(f"with no item whose {result_id} is one of the ids")
        return found

    def _by_shape(self, ids: Sequence[Id], items: Any, reply: Reply) -> dict[Id, Any]:
        if isinstance(items, dict):
            names = {str(one): one for one in ids}
            for name in items:
                if name not in names:
                    what = repr(self._quoted(name))
                    raise reply.unfit(f"with data for {what}, which was not asked")
            return {names[name]: data for name, data in items.items()}
        if not isinstance(items, list):
            right = "an object keyed by id or an array in the order of the ids"
            raise reply.unfit(f"with a {type(items).__name__}, not {right}")
        if len(items) != len(ids):
            raise reply.unfit(f"with {len(items)} results for {len(ids)} ids")
        return dict(zip(ids, items, strict=True))

    def _data(self, item: Any, reply: Reply) -> Any:
        if item is None:
            return self._missing
        if self._error and (why := self._error(item, reply)) not in (None, False, "", [], {}):
            return Failed(self._quoted(why if isinstance(why, str) else json.dumps(why)))
        return item
