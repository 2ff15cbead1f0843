"""What a processor is, and how its return value becomes one JSON text per id."""

from __future__ import annotations

import importlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from ..core import Answer, BatchError, Id
from ..errors import ConfigError, InvalidResult


@dataclass(frozen=True, slots=True)
class Failed:
    """What a processor returns for an id that failed for good, beside the data of the others."""

    reason: str


JSON: TypeAlias = Mapping[str, object] | Sequence["JSON"] | str | int | float | bool | None
"""What `json.dumps` writes without help: dicts, lists, tuples, text, finite numbers, booleans, None.

A TypedDict is a mapping to `object` alone, so what is in a mapping is not known to a type checker.
"""

Processor: TypeAlias = Callable[[list[Any]], Mapping[Any, JSON | Failed] | Sequence[JSON | Failed] | None]
"""Takes the ids of one batch, or with FILL of several, integers or strings, in a list of its own; returns the data of
each: keyed by id, in the order of that list, or none at all. With Failed in place of an id's data, the batch fails, and
the data of its other ids is kept.

Any exception is retried with backoff, except PermanentError, which fails the batch at once, and HoldQueue,
which keeps the whole queue waiting; after a PermanentError to several batches, each has another call of its own. A
batch is delivered at least once, so it may see the same ids again.
"""


def simulate(ids: Sequence[Id]) -> dict[Id, JSON]:
    """Stands in where no processor is configured: calls nothing, and returns `"processed"` for every id."""
    return dict.fromkeys(ids, "processed")


def checked(processor: Any, source: str) -> Processor:
    """Returns `processor` if it takes a list of ids, does its work before it returns, and may return data.

    Raises ConfigError that starts with `source`, the place where it was named.
    """
    if not callable(processor):
        raise ConfigError(f"{source} must be a callable, not a {type(processor).__name__}.")
    for function in (processor, type(processor).__call__):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(f"{source} is async; it must be a plain function that returns when the work is done.")
        if inspect.isgeneratorfunction(function):
            raise ConfigError(f"{source} is a generator function; it must return the data, not yield it.")
    if isinstance(processor, type) and not issubclass(processor, Mapping | Sequence):
        raise ConfigError(f"{source} is the class {processor.__name__}; it must be an instance of it, or a function.")
    if fault := _arguments_fault(processor):
        raise ConfigError(f"{source} must take one argument, the list of ids: {fault}.")
    return cast(Processor, processor)


def _arguments_fault(processor: Any) -> str:
    """Returns why a callable cannot be called with a list of ids alone; empty if it can, or nobody knows."""
    try:
        # What a decorator wraps may take more, which the decorator adds.
        signature = inspect.signature(processor, follow_wrapped=False)
    except (AttributeError, NameError, TypeError, ValueError):  # written in C, or annotated for type checkers alone
        return ""
    try:
        signature.bind([])
    except TypeError as error:
        return str(error)
    return ""


def imported(path: str, key: str) -> Processor:
    """Returns the processor at `package.module:name`. Raises ConfigError that starts with `key`."""
    module_name, _, name = path.partition(":")
    if not module_name or not name or module_name.startswith("."):
        raise ConfigError(f"{key} must be package.module:name, not {path!r}.")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{key} names {path!r}, but importing {module_name} failed: {error}.") from error
        raise ConfigError(f"{key} names {path!r}, but there is no module {error.name}.") from None
    except Exception as error:
        raise ConfigError(
            f"{key} names {path!r}, but importing {module_name} failed with {type(error).__name__}: {error}"
        ) from error
    for attribute in name.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise ConfigError(f"{key} names {path!r}, but {module_name} has no {name}.") from None
    return checked(found, f"{key} ({path})")


def encode_results(ids: Sequence[Id], returned: object, own: Sequence[Id] | None = None) -> tuple[Answer, ...]:
    """Returns the compact JSON text of each of `ids`, or why it failed, from what a processor returned.

    Empty where it returned None.

    An id that is missing from a mapping has `null`. `own` is the processor's own list as it left it: a sequence is in
    that order. Raises InvalidResult for a key that is none of the ids, a sequence of another length or in an unknown
    order, data that is not JSON (NaN is not), and any other type.
    """
    if returned is None:
        return ()
    if isinstance(returned, Mapping):
        wanted = set(ids)
        for key in returned:
            if key not in wanted:
                raise InvalidResult(f"The processor returned data for {key!r}, which is not an id of the batch.")
        data = [returned.get(one) for one in ids]
    elif isinstance(returned, Sequence) and not isinstance(returned, (str, bytes, bytearray, memoryview)):
        if len(returned) != len(ids):
            raise InvalidResult(f"The processor returned {len(returned)} results for {len(ids)} ids.")
        data = _in_order(ids, returned, ids if own is None else own)
    elif inspect.iscoroutine(returned):
        returned.close()  # else Python warns that nobody awaited it
        raise InvalidResult(
            "The processor returned a coroutine and did nothing: what it calls is async. It must return once the work "
            "is done, as asyncio.run does."
        )
    else:
        raise InvalidResult(
            f"The processor returned a {type(returned).__name__}; "
            "it must be a mapping keyed by id, a list in the order of the ids, or None."
        )
    # A tuple, for what completed is kept a while, and tuples of text are left alone by the garbage collector.
    return tuple(_text(one, datum) for one, datum in zip(ids, data, strict=True))


def _in_order(ids: Sequence[Id], returned: Sequence[Any], own: Sequence[Id]) -> list[Any]:
    if list(own) == list(ids):
        return list(returned)
    if Counter(own) != Counter(ids):
        raise InvalidResult(
            "The processor added or removed ids in its list, so it is unclear whose each result is; "
            "return a mapping keyed by id."
        )
    by_id = dict(zip(own, returned, strict=True))
    return [by_id[one] for one in ids]


def _text(one: Id, datum: object) -> Answer:
    if isinstance(datum, Failed):
        return BatchError.made("Failed", str(datum.reason))
    try:
        return json.dumps(datum, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(f"The data of id {one} cannot be kept as JSON: {error}.") from error
