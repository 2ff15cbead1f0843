"""Routes that refuse a body which they would ignore."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from flask import Blueprint

from ..config import Settings
from ..core import unknown_members
from ..errors import Fault, InvalidRequest
from .body import read_body
from .request import current
from .requirements import needs_of

View = TypeVar("View", bound=Callable[..., Any])

_MOST = 65_536
"""Bytes of a body that is not wanted."""


class Routes(Blueprint):
    """A blueprint in which POST to a view that needs a role and is not marked as reading a body refuses one.

    Whoever sends `{"dry_run": true}` or `{"priority": "LOW"}` to a route without such a member wants less than it would
    do. The view is wrapped as its route is added, so that those that read a body pay nothing for it.
    """

    def __init__(self, name: str, import_name: str, settings: Settings) -> None:
        super().__init__(name, import_name)
        self._settings = settings

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:
        add = super().post(rule, **options)

        def added(view: View) -> View:
            role, query, body, _ = needs_of(view)
            add(view if role is None or body else _bodiless(view, query, self._settings))
            return view

        return added


def _bodiless(view: Callable[..., Any], query: Sequence[str], settings: Settings) -> Callable[..., Any]:
    @functools.wraps(view)
    def refuse_first(**arguments: Any) -> Any:
        this = current()
        this.max_content_length = _MOST
        if this.get_data() and (body := read_body(settings)) != {}:
            named = unknown_members(body, (), query) if isinstance(body, Mapping) else []
            raise InvalidRequest(named or [Fault("#", "This request takes no body.")])
        return view(**arguments)

    return refuse_first
