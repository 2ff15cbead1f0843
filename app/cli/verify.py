"""Proves from a dispatch log that its starts kept the rate, the order, the callers' shares and the rules of riders."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ..core import Dispatch, Priority, number_of, priority_fault, priority_of
from ..limits import AnyLimit, Quota, parse_limits
from .shares import given_back, unfair

TOLERANCE = 1e-6
"""Seconds by which starts may be too close, and each interval too short: seconds since the epoch, as floats, are a
quarter of a microsecond apart."""


class Violation(NamedTuple):
    """Two dispatches that break a rule: `rate`, `order`, `share` or `riders`. `detail` says how."""

    rule: str
    earlier: Dispatch
    later: Dispatch
    detail: str


class Log(NamedTuple):
    """Dispatches with the limit that those from `since` on kept to, and when what waited last changed places (epoch
    seconds), as far as the log says.

    `fair` holds the weights of callers other than 1 where callers take turns, None where they do not.
    """

    dispatches: Sequence[Dispatch]
    interval: float | None = None
    burst: int | None = None
    limits: tuple[AnyLimit, ...] = ()
    since: float = 0.0
    order_since: float = 0.0
    fair: Mapping[str, int] | None = None


def checked(log: Log) -> list[str]:
    """Returns the rules that a log can break, as Violation names them."""
    ridden = any(dispatch.rode_with is not None for dispatch in log.dispatches)
    return ["rate", "order", *(["share"] if log.fair is not None else []), *(["riders"] if ridden else [])]


def verify(
    dispatches: Iterable[Dispatch],
    *,
    interval: float,
    burst: int = 1,
    limits: Iterable[AnyLimit] = (),
    grace: float = 0.0,
    since: float = 0.0,
    order_since: float = 0.0,
    fair: Mapping[str, int] | None = None,
) -> list[Violation]:
    """Returns the first violation of each limit, of the order, of the shares and by riders; empty where all held.

    The dispatches may be any unbroken stretch of the whole, in any order. `grace` is how many seconds after it was
    due a batch may still be overtaken, for a store in which a submit takes that long to be seen by others. The rate is
    that of the starts from `since` on, when it was last changed, and nothing counts as due before `order_since`, when
    what waited last changed places. With `fair`, the weights of callers that take turns, order is checked inside each
    caller, and between priorities unless these age. What rides takes no token and no turn, and overtakes nothing, for
    what was more urgent may not have fit. O(n log n).
    """
    starts = sorted(dispatches, key=lambda dispatch: dispatch.started_at)
    limited = [dispatch for dispatch in starts if dispatch.started_at >= since and dispatch.rode_with is None]
    rates = (
        _too_many(limited, one) if isinstance(one, Quota) else _too_close(limited, one.interval, one.capacity)
        for one in limits
    )
    order = [_overtaken(starts, grace, order_since)] if fair is None else _of_turns(starts, grace, order_since, fair)
    riders = _out_of_place(starts, fair)
    found = (_too_close(limited, interval, burst), *rates, *order, riders)
    return [violation for violation in found if violation]


def read(text: str) -> Log:
    """Returns a log from JSON text: the answer of GET /dispatches, an array of dispatches, or NDJSON with one a line.

    Raises ValueError that names the place and what is wrong there.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        if not text.lstrip().startswith("{"):
            raise ValueError(f"This is not JSON: {error}.") from None
        return Log([_dispatch(item, where) for where, item in _lines(text)])
    return log_of(document)


def log_of(document: Any) -> Log:
    """Returns the log in parsed JSON: an answer of GET /dispatches, an array, or one dispatch. Raises ValueError."""
    if isinstance(document, Mapping) and "dispatches" in document:
        limit = document.get("interval"), document.get("burst")
        rate_since, order_since = (document.get(name, 0.0) for name in ("rate_since", "order_since"))
        if not all(one is None or _is_number(one) for one in (*limit, rate_since, order_since)):
            raise ValueError("interval, burst, rate_since and order_since must be numbers.")
        limits, fair = parse_limits(document.get("limits", ())), document.get("fair")
        if not (fair is None or _are_weights(fair)):
            raise ValueError("fair must be an object of weights above 0, or null.")
        starts = log_of(document["dispatches"]).dispatches
        return Log(starts, *limit, limits, rate_since or 0.0, order_since or 0.0, fair)
    items = [document] if isinstance(document, Mapping) else document
    if not isinstance(items, list):
        raise ValueError(f"A list of dispatches is needed, not {document!r:.40}.")
    return Log([_dispatch(item, f"Dispatch {number}") for number, item in enumerate(items, 1)])


def _too_close(starts: Sequence[Dispatch], interval: float, burst: float) -> Violation | None:
    """Returns the first start for which a token bucket that was full at any time before would have had no token.

    In any t seconds a token bucket gives at most burst + t / interval tokens (RFC 2215, section 3.6), so k starts take
    at least k - burst intervals. `lag` is how far a start is behind an even schedule: it may fall by the burst at most.
    """
    step = max(0.0, interval - TOLERANCE)
    latest, most = 0, -math.inf
    for number, dispatch in enumerate(starts):
        lag = dispatch.started_at - starts[0].started_at - number * step
        if lag < most - (burst - 1) * step - TOLERANCE:
            earlier = starts[latest]
            count, seconds = number - latest + 1, dispatch.started_at - earlier.started_at
            needed = (count - burst) * interval
            detail = (
                f"{count} starts within {seconds:.6f} s, from {_name(earlier)} to {_name(dispatch)}; "
                f"at one every {interval:g} s with a burst of {burst:g} they need {needed:g} s."
            )
            return Violation("rate", earlier, dispatch, detail)
        if lag > most:
            latest, most = number, lag
    return None


def _too_many(starts: Sequence[Dispatch], quota: Quota) -> Violation | None:
    """Returns the first start that exceeded a quota."""
    for since, group in groupby(starts, key=lambda dispatch: quota.reset(dispatch.started_at + TOLERANCE)):
        together = list(group)
        if len(together) > quota.most:
            earlier, later = together[0], together[quota.most]
            day = datetime.fromtimestamp(since, ZoneInfo(quota.zone)).isoformat(" ", "minutes")
            detail = f"{_name(later)} is start number {quota.most + 1} since {day}; {quota.name} allows {quota.most}."
            return Violation("rate", earlier, later, detail)
    return None


def _of_turns(
    starts: Sequence[Dispatch], grace: float, since: float, weights: Mapping[str, int]
) -> Iterator[Violation | None]:
    """Yields what was violated where callers take turns: an order inside a caller, one of priorities, or a share."""
    if all(one.rank == one.priority for one in starts):
        yield _overtaken(starts, grace, since, lambda one: (one.rank, 0, 0))
    for _, of_caller in _grouped(starts, key=_line_of):
        yield _overtaken(of_caller, grace, since)
    given = given_back(starts)
    for priority, of_priority in _grouped(starts, key=lambda one: one.priority):
        if found := unfair(of_priority, given[priority], grace, since, weights):
            (earlier, later, turns, fewer), name = found
            detail = (
                f"{later.owner or 'nobody'} had {turns} turns at {later.priority.name} from {_name(earlier)} to "
                f"{_name(later)}, and {name or 'nobody'}, which waited all the while, had {fewer}."
            )
            yield Violation("share", earlier, later, detail)


def _grouped(starts: Sequence[Dispatch], key: Callable[[Dispatch], Any]) -> Iterable[tuple[Any, list[Dispatch]]]:
    groups: dict[Any, list[Dispatch]] = {}
    for one in starts:
        groups.setdefault(key(one), []).append(one)
    return groups.items()


def _line_of(dispatch: Dispatch) -> tuple[Priority, str | None]:
    return dispatch.priority, dispatch.owner


def _place(dispatch: Dispatch) -> tuple[float, int, int]:
    return dispatch.rank, dispatch.order, dispatch.position


def _overtaken(
    starts: Sequence[Dispatch],
    grace: float,
    since: float,
    place: Callable[[Dispatch], tuple[float, int, int]] = _place,
) -> Violation | None:
    """Returns the first start that came too late: a less urgent batch, by its place, started when this was due."""
    times = [dispatch.started_at for dispatch in starts]
    # The least urgent of any stretch that reaches up to here: positions rising, places falling, so a search finds it.
    stack: list[int] = []
    for _, group in groupby(range(len(starts)), key=times.__getitem__):
        together = list(group)
        for number in together:
            dispatch = starts[number]
            first = bisect_right(times, max(dispatch.due_at, since) + grace)
            at = bisect_left(stack, first)
            if at < len(stack) and place(starts[stack[at]]) > place(dispatch):
                earlier = starts[stack[at]]
                detail = (
                    f"{_name(earlier)} started {dispatch.started_at - earlier.started_at:.6f} s before "
                    f"{_name(dispatch)}, which is more urgent and had been due for "
                    f"{earlier.started_at - dispatch.due_at:.6f} s by then."
                )
                return Violation("order", earlier, dispatch, detail)
        for number in together:
            if starts[number].rode_with is not None:
                continue
            while stack and place(starts[stack[-1]]) <= place(starts[number]):
                stack.pop()
            stack.append(number)
    return None


def _out_of_place(starts: Sequence[Dispatch], fair: Mapping[str, int] | None) -> Violation | None:
    """Returns the first rider that rode in no call, or in one that it should have led."""
    calls = {(one.batch_id, one.started_at): one for one in starts if one.rode_with is None}
    for rider in starts:
        if rider.rode_with is None:
            continue
        leader = calls.get((rider.rode_with, rider.started_at))
        if leader is None:
            if rider.started_at > starts[0].started_at:  # where the log begins, its leader may be cut off
                detail = f"{_name(rider)} rode with batch {rider.rode_with}, which took no token at that time."
                return Violation("riders", rider, rider, detail)
        elif _place(rider) <= _place(leader) and (fair is None or _line_of(rider) == _line_of(leader)):
            return Violation(
                "riders", leader, rider, f"{_name(rider)} rode with {_name(leader)}, which is less urgent."
            )
    return None


def _name(dispatch: Dispatch) -> str:
    return f"batch {dispatch.batch_id} ({dispatch.priority.name}, started at {dispatch.started_at:.6f})"


def _lines(text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"Line {number}", json.loads(line)
            except ValueError as error:
                raise ValueError(f"Line {number} is not JSON: {error}.") from None


def _dispatch(item: Any, where: str) -> Dispatch:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where} must be an object, not {item!r:.40}.")
    for member in ("started_at", "due_at", "rank", "order", "position"):
        if not _is_number(item.get(member)):
            raise ValueError(f"{where} needs {member} as a number, not {item.get(member)!r:.40}.")
    if (priority := priority_of(item.get("priority"))) is None:
        raise ValueError(f"{where}: priority {priority_fault(item.get('priority'))}")
    for member in ("owner", "rode_with"):
        if not isinstance(item.get(member), str | None):
            raise ValueError(f"{where} needs {member} as text or null, not {item[member]!r:.40}.")
    if not _is_number(attempt := item.get("attempt", 1)):
        raise ValueError(f"{where} needs attempt as a number, not {attempt!r:.40}.")
    return Dispatch(
        item["started_at"],
        item["due_at"],
        str(item.get("batch_id", "?")),
        str(item.get("ingestion_id", "?")),
        item["position"],
        attempt,
        priority,
        item["rank"],
        item["order"],
        str(item.get("limited_by", "?")),
        item.get("owner"),
        item.get("rode_with"),
    )


def _are_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_number(one) and one > 0 for one in value.values())


def _is_number(value: Any) -> bool:
    return (found := number_of(value)) is not None and -math.inf < found < math.inf
