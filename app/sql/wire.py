"""Prebuilt statements, straight to the driver.

SQLAlchemy compiles each statement once, and its text goes directly to the driver (DB-API 2.0, PEP 249). Compiling each
time leaves a fifth of the batches/s on SQLite and a quarter on PostgreSQL.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Dialect, Executable, func, select, text
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql import Select

from .together import NUMBERS, ROWS, together

Values = dict[str, Any]

_NO_TIMEOUT = text("SET LOCAL statement_timeout = 0")

_TEXTS: dict[bool, dict[Executable, tuple[str, dict[str, Any]]]] = {True: {}, False: {}}
"""Statements as text with their constants, by whether they are for SQLite."""


class Writer:
    """Compiles statements for one kind of database, each once for all databases of that kind."""

    def __init__(self, dialect: Dialect) -> None:
        # Named parameters, as PostgreSQL's driver takes them: their order does not matter.
        self.is_sqlite = dialect.name == "sqlite"
        self._dialect = pysqlite.dialect(paramstyle="named") if self.is_sqlite else dialect
        self._texts = _TEXTS[self.is_sqlite]

    def text(self, statement: Executable, *, keep: bool = True) -> tuple[str, dict[str, Any]]:
        """Returns the SQL and the values of its constants; `keep` caches the text of a module-level statement."""
        known = self._texts.get(statement)
        if known is None:
            compiled = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
            names = compiled.bind_names.items()
            constants = {name: compiled.params[name] for bind, name in names if not bind.required}
            known = str(compiled), constants
            if keep:
                self._texts[statement] = known
        return known


class Wire:
    """A driver's connection; `answered` says that it has returned a result."""

    def __init__(self, driver: Any, writer: Writer) -> None:
        self._driver = driver
        self._writer = writer
        self.is_sqlite = writer.is_sqlite
        self.answered = False

    def execute(self, statement: Executable, values: Values | list[Values], *, keep: bool = True) -> Rows:
        """Run a statement with its values, or once for each member of a list."""
        text, constants = self._writer.text(statement, keep=keep)
        cursor = self._driver.cursor()
        if isinstance(values, list):
            cursor.executemany(text, [{**constants, **one} for one in values] if constants else values)
        else:
            cursor.execute(text, {**constants, **values} if constants else values)
        return Rows(cursor, self)

    def take_time(self) -> None:
        """Let the rest of a transaction on PostgreSQL take longer than STORE_TIMEOUT."""
        self.execute(_NO_TIMEOUT, {})
        self._driver.silence = math.inf

    def each(self, statement: Executable, rows: list[Values]) -> None:
        """Run an insert for each of some rows, none of them twice; on PostgreSQL `together`."""
        if self.is_sqlite or len(rows) == 1:
            self.execute(statement, rows)
        else:
            self.execute(together(statement), {ROWS: json.dumps(rows)})

    def numbers(self, some: Sequence[int]) -> Values:
        """Returns the value of the parameter that says which numbers a column is `among`."""
        return {NUMBERS: json.dumps(some) if self.is_sqlite else some}

    def columns(self, query: Select[Any], values: Values) -> list[Sequence[Any]]:
        """Returns the columns of what a query finds: whole numbers, texts or truth values.

        From SQLite each is fetched as one text, which takes two thirds of the time.
        """
        if self.is_sqlite:
            return [json.loads(column) for column in self.execute(_by_column(query), values).one()]
        rows = self.execute(query, values).all()
        return list(zip(*rows, strict=True)) if rows else [()] * len(query.selected_columns)

    def found(self, query: Select[Any], of: list[Values]) -> list[Any]:
        """Returns the first row that a query finds for each of some values, where it finds one, in any order."""
        if self.is_sqlite or len(of) == 1:
            return [row for one in of for row in self.execute(query, one).all()]
        return self.execute(together(query), {ROWS: json.dumps(of)}).all()


@functools.cache
def _by_column(query: Select[Any]) -> Select[Any]:
    return select(*map(func.json_group_array, query.subquery().c))


class Rows:
    """The rows that a query found."""

    def __init__(self, cursor: Any, wire: Wire) -> None:
        self._cursor = cursor
        self._wire = wire

    def all(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        self._wire.answered = True
        return rows

    def first(self) -> Any:
        """Returns the first row, or None."""
        row = self._cursor.fetchone()
        self._wire.answered = True
        return row

    def one(self) -> Any:
        """Returns the row. Raises LookupError if there is none."""
        row = self.first()
        if row is None:
            raise LookupError("a row is missing that must be there")
        return row

    def scalar(self) -> Any:
        """Returns the first column of the first row, or None."""
        row = self.first()
        return None if row is None else row[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())
