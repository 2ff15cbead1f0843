"""One statement for many rows, because on PostgreSQL a statement costs more than a row does."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    Insert,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    true,
)
from sqlalchemy.sql.visitors import iterate, replacement_traverse

NUMBERS = "numbers"
"""The parameter that takes the numbers of `among`, as `Wire.numbers` gives them."""

ROWS = "rows"
"""The parameter that takes the rows: a JSON array of objects, each with the values of one by their names."""


def among(column: ColumnElement[int]) -> dict[bool, ColumnElement[bool]]:
    """Returns the condition that a column is one of some `NUMBERS`, keyed by whether it is for SQLite."""
    listed = func.json_each(bindparam(NUMBERS, type_=Text)).table_valued("value")
    return {
        True: column.in_(select(listed.c.value)),
        False: column == any_(bindparam(NUMBERS, type_=ARRAY(BigInteger))),
    }


@functools.cache
def together(statement: Any) -> Any:
    """Returns a statement of PostgreSQL that does for many rows at once what `statement` does for one.

    All parameters have types. An insert gives each column the value of its name, or takes a `select` of values. A query
    gives the first row that it finds for each.
    """
    given = {one.key: one.type for one in iterate(statement) if isinstance(one, BindParameter) and one.required}
    columns = [column(name, kind) for name, kind in given.items()]
    array = cast(bindparam(ROWS, type_=Text), JSON)
    rows = func.json_to_recordset(array).table_valued(*columns).render_derived(with_types=True)

    def of_row(element: Any, **_: Any) -> Any:
        return rows.c[element.key] if isinstance(element, BindParameter) and element.required else None

    of_each = replacement_traverse(statement, {}, of_row)
    if not isinstance(statement, Insert):
        # The limit has the planner look up one row after the other, whatever a new table's statistics suggest.
        found = of_each.limit(1).correlate(rows).lateral()
        return select(*found.c).select_from(rows.join(found, true()))
    return of_each if statement.select is not None else insert(statement.table).from_select([*given], select(*rows.c))
