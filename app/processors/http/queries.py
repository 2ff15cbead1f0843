"""JMESPath as it is set: checked at the start, applied to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions, signature

from ...errors import ConfigError
from .calling import Reply


class _Own(Functions):  # type: ignore  # it has no types
    """The functions of JMESPath, and one of its community's edition (JEP 14)."""

    @signature({"types": ["string"]}, {"types": ["string"]}, {"types": ["string"]})  # type: ignore
    def _func_replace(self, subject: str, old: str, new: str) -> str:
        return subject.replace(old, new)


_OPTIONS = jmespath.Options(custom_functions=_Own())


class Query:
    """One expression, such as `items` or `data.nodes[?id]`."""

    def __init__(self, expression: str, key: str, quoted: Callable[[str], str]) -> None:
        """`quoted` makes what an error says of an answer fit to show. Raises ConfigError, which says where it fails."""
        self._name = f"{key} ({expression})"
        self._quoted = quoted
        try:
            self._query = jmespath.compile(expression)
        except ParseError as error:
            raise ConfigError(f"{key} is no JMESPath: {_place(error, expression)}.") from None
        for function in _functions(self._query.parsed):
            if function not in _Own.FUNCTION_TABLE:
                raise ConfigError(f"{key} is no JMESPath: there is no function {function}() in it.")

    def __call__(self, data: Any, reply: Reply) -> Any:
        """Returns what it finds in a reply's data, None if nothing. Raises InvalidResult where it cannot be applied."""
        try:
            return self._query.search(data, _OPTIONS)
        # It lets through what Python says of types that cannot be compared, and of numbers without end.
        except (JMESPathError, TypeError, ArithmeticError) as error:
            raise reply.unfit(f"but {self._name} cannot be applied to that ({self._quoted(str(error))})") from error

    def __str__(self) -> str:
        return self._name


def _place(error: ParseError, expression: str) -> str:
    at = error.lexer_position if isinstance(error, LexerError) else error.lex_position
    what = f"{error.message} " if isinstance(error, LexerError) else "what begins "
    if at >= len(expression):
        return "it ends too soon"
    line = expression.count("\n", 0, at) + 1
    column = at - expression.rfind("\n", 0, at)
    return f"{what}in line {line}, column {column} is not understood: {expression[at : at + 20]!r}"


def _functions(node: Any) -> Iterator[str]:
    """Returns the names of the functions that a parsed expression calls."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):  # those of a slice are numbers
            yield from _functions(child)
