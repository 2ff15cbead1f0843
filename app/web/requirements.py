"""What a route needs of a request: a role, members of the query, a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ..keys import Role

View = TypeVar("View", bound=Callable[..., Any])


class Needs(NamedTuple):
    """The role that a route needs, None for none, the members that its query may have, whether it reads a body, and
    whether the path must name an ingestion as a whole, because somebody who names a part may mean just that. (A redrive
    need not: it starts over no more than what failed.)
    """

    role: Role | None
    query: tuple[str, ...]
    body: bool = False
    whole: bool = False


_OPERATE = Needs(Role.OPERATE, ())


def needs(role: Role | None, *query: str, body: bool = False, whole: bool = False) -> Callable[[View], View]:
    """Declare what a route needs, as in Needs.

    A route without this needs OPERATE, and takes neither query nor body. One that needs no role ignores query members
    that it does not know, for a probe must not fail because of its query.
    """

    found = Needs(role, query, body, whole)

    def mark(view: View) -> View:
        view.needs = found  # type: ignore[attr-defined]
        return view

    return mark


def needs_of(view: Callable[..., Any]) -> Needs:
    """Returns what a route declared."""
    found: Needs = getattr(view, "needs", _OPERATE)
    return found
