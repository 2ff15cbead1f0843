"""What is asked of the upstream for some ids: the URL's path and query, and the JSON of the body, as templates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, unquote

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, meta, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from ...config import Settings
from ...core import Id
from ...errors import ConfigError, PermanentError
from .constants import BREAK, of_body, of_query

_NAMES = ("ids", "id")

_STRINGS = tuple(one + 40 * "x" for one in ("a/1", 'b/"2"', "c/\\3"))
"""Ids to try templates with, so long that no piece which a template cuts out of them is empty."""

_UNSAFE = ("e", "escape", "forceescape", "safe", "urlize", "xmlattr")
"""Jinja's filters whose text would be printed as it is."""


class Ask(NamedTuple):
    """One request: path and query, and the body where there is one."""

    target: str
    body: bytes | None


class Asks:
    """Makes the requests for ids out of the path and query of UPSTREAM_URL, and of UPSTREAM_BODY.

    Templates that name `id` make a request for each id, those that name `ids` one for the batch. What a URL's template
    prints is percent-encoded, and what the body's prints is JSON, so that no id can become anything but data. One that
    would lead to another path, whatever a template makes of it, is refused.
    """

    def __init__(self, target: str, settings: Settings, prefix: str) -> None:
        """Raises ConfigError for a template that fails, makes no JSON, or names neither or both of `id` and `ids`."""
        self._url = Template(_marked(target), f"{prefix}UPSTREAM_URL", _percent_encoded)
        body = settings.upstream_body
        self._body = Template(body, f"{prefix}UPSTREAM_BODY", _as_json) if body else None
        names = self._url.names | (self._body.names if self._body else set())
        if len(names) != 1:
            instead = f", or {prefix}UPSTREAM_BODY one of them" if self._body else ""
            raise ConfigError(
                f"{prefix}UPSTREAM_URL must hold either {{ids}} or {{id}}, at the place where the ids go{instead}."
            )
        self.each = names == {"id"}
        self._samples: Sequence[Id] = _STRINGS if settings.id_type == "string" else [1, 2, 3]
        self._usual: dict[int, Counter[str]] = {}
        try:
            for count in (1, 3):
                self._detours_of(count)
        except TemplateFailed as error:
            raise ConfigError(str(error)) from error

    @property
    def constants(self) -> list[str]:
        """What query and body hold that comes from no id, and so may be a key."""
        found = [*of_query(self._url.text), *self._url.constants]
        if self._body:
            found += [*of_body(self._body.text), *self._body.constants]
        return found

    def of(self, ids: Sequence[Id]) -> Ask:
        """Returns the request for these ids; for one of them where there is one for each. Raises PermanentError."""
        try:
            ask = self._made(ids)
            if not self._strays(ask, ids):
                return ask
            stray = next((one for one in ids if self._strays(self._made([one]), [one])), None)
        except TemplateFailed as error:
            raise PermanentError(str(error)) from error
        what = "These ids" if stray is None else f"The id {stray!r}"
        raise PermanentError(f"{what} cannot be part of a URL's path.")

    def _strays(self, ask: Ask, ids: Sequence[Id]) -> bool:
        """Returns whether ids made its path lead elsewhere than the template does."""
        return bool(_detours(ask.target) - self._detours_of(len(ids)))

    def _detours_of(self, count: int) -> Counter[str]:
        """Returns the detours of the path that the template makes of so many harmless ids."""
        if count not in self._usual:
            sample = list(islice(cycle(self._samples), count))
            self._usual[count] = _detours(self._made(sample).target)
        return self._usual[count]

    def _made(self, ids: Sequence[Id]) -> Ask:
        scope = {"id": ids[0]} if self.each else {"ids": list(ids)}
        target = self._url.render(scope)
        if self._body is None:
            return Ask(target, None)
        body = self._body.render(scope)
        try:
            json.loads(body, parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            raise TemplateFailed(self._body.key, None, f"it makes no JSON: {error}") from error
        return Ask(target, body.encode())


class TemplateFailed(Exception):
    """A template cannot be used; says which, where and why."""

    def __init__(self, key: str, line: int | None, why: str) -> None:
        super().__init__(f"{key} fails{f' in line {line}' if line else ''}: {why}.")


class Template:
    """One template in Jinja's sandbox, whose values are all printed by `printed`."""

    def __init__(self, source: str, key: str, printed: Callable[[Any], str]) -> None:
        """`text` is what it holds outside of expressions, `constants` are the strings in them.

        Raises ConfigError, which names the key and the line, where it is none.
        """
        self.key = key

        @pass_context  # or constants would be printed as they are
        def finalize(_: object, value: Any) -> str:
            # An undefined value says so itself when it is printed, or is the empty rest of an `if` without `else`.
            return Markup(value if isinstance(value, Undefined) or hasattr(value, "__html__") else printed(value))

        # Escaping itself is done above; with it on, filters know what has been escaped.
        environment = ImmutableSandboxedEnvironment(autoescape=True, finalize=finalize, undefined=StrictUndefined)
        for name in _UNSAFE:
            del environment.filters[name]
        for name, encoded in (("tojson", _as_json), ("urlencode", _percent_encoded)):
            # What a template prints anyway is not encoded twice; the other makes text, which is printed like any.
            environment.filters[name] = _marked_up(encoded) if encoded is printed else encoded
        environment.filters["commas"] = lambda values: Markup(",".join(map(printed, values)))
        try:
            tree = environment.parse(source)
            self.names = meta.find_undeclared_variables(tree) & set(_NAMES)
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise ConfigError(str(TemplateFailed(key, error.lineno, _sentence(error)))) from None
        self.text = BREAK.join(node.data for node in tree.find_all(nodes.TemplateData))
        self.constants = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]

    def render(self, scope: dict[str, Any]) -> str:
        """Returns the text it makes. Raises TemplateFailed."""
        try:
            return self._template.render(scope)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise TemplateFailed(self.key, _line(error), _sentence(error)) from error


def refuse(constant: str) -> NoReturn:
    """Refuses what Python reads as JSON although it is not: NaN and the infinities."""
    raise ValueError(f"{constant} is not JSON")


def _detours(target: str) -> Counter[str]:
    """Returns how many segments of a path are `.`, `..` or empty: there it means another resource.

    RFC 3986, section 5.2.4. Some servers decode a path before they look, take a backslash for a slash, or drop what
    follows a semicolon.
    """
    path = re.split(r"[?#]", target, maxsplit=1)[0]
    names = (one.partition(";")[0] for one in re.split(r"[/\\]", unquote(path)))
    return Counter([*(one for one in names if one in (".", "..")), *(one for one in path.split("/") if not one)])


def _marked(target: str) -> str:
    """Returns the path and query with `{ids}` and `{id}` as templates, `{{ids}}` and `{{id}}` left alone."""
    for mark, template in (("{ids}", "{{ ids|commas }}"), ("{id}", "{{ id }}")):
        parts = target.replace(f"{{{mark}}}", "\0").split(mark)
        target = template.join(parts).replace("\0", f"{{{mark}}}")
    return target


def _percent_encoded(value: Any) -> str:
    """Returns text for one segment of a path, or one value of a query (RFC 3986, section 2.3)."""
    return quote(str(value), safe="")


def _as_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _marked_up(printed: Callable[[Any], str]) -> Callable[[Any], Markup]:
    return lambda value: Markup(printed(value))


def _line(error: BaseException) -> int | None:
    """Returns the line of the template in which an error was raised."""
    found, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _sentence(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
