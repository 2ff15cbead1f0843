"""Statements that add a row, or change the one that is there, for either kind of database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from .schema import all_of


def upsert(table: Table, change: Callable[[Any], Mapping[str, Any]]) -> dict[bool, Insert]:
    """Returns the statement for each kind of database, keyed by whether it is SQLite.

    `change` makes the new values of a row that is there out of those that would have been added.
    """
    found: dict[bool, Insert] = {}
    for is_sqlite, insert in ((True, sqlite.insert), (False, postgresql.insert)):
        statement: Any = insert(table).values(all_of(table))
        key = list(table.primary_key)
        found[is_sqlite] = statement.on_conflict_do_update(index_elements=key, set_=change(statement.excluded))
    return found
