"""The state of the queue in words and columns, for people."""

from __future__ import annotations

import click

from ..core import plural, printable
from .display import Document, columns, some_ids
from .held import expected, waits_on
from .times import Times, duration

_RUNS_SHOWN = 3
_NOT_SAID = "unknown: this service is of a release that does not say"


def queue_text(queue: Document, times: Times) -> str:
    """Returns the state of the queue."""
    times = times.as_of(queue["now"])
    error, held = queue.get("estimate_error"), queue["hold_until"]
    stalled, waiting_on = queue.get("stalled", False), waits_on(queue["waiting_on"])
    worker, awaited = queue["worker"], "by a worker" if stalled else "when resumed"
    if queue["waiting_on"] == "store":
        waiting_on, awaited = click.style(waiting_on, fg="red"), "when it does"
    elif stalled:
        worker = click.style(f"{worker}, and no other is there", fg="red")
    rows = [
        ("worker", worker),
        ("processor", click.style("none: work is only simulated", fg="yellow") if queue.get("simulated") else None),
        ("paused", _paused(queue)),
        ("waiting on", waiting_on),
        ("hold ends", held and click.style(times.due(held), fg="yellow")),
        ("running", plural(queue["running"], "batch")),
        ("tokens", f"{queue['tokens']}, the next {times.due(queue['next_token_at'])}"),
        ("limits", _limits(queue)),
        ("slowed to", _slowed(queue)),
        *((priority, _depth(depth, times, queue)) for priority, depth in queue["priorities"].items()),
        ("estimates", f"off by {duration(error['mean'])}, 95% by {duration(error['p95'])} at most" if error else None),
        *(("next", _next(batch, times, queue, awaited)) for batch in queue["next"]),
        *(("waiting", _caller(one, times)) for one in queue.get("callers", ())),
        *(("at work", _worker(one, times)) for one in queue.get("workers", ())),
    ]
    return columns(rows)


def rate_text(queue: Document) -> str:
    """Returns the rate that is set, and to what the upstream's refusals slow it down."""
    if not (rate := queue.get("rate")):
        return _NOT_SAID
    one = f"one every {rate['interval']:g} s with a burst of {rate['burst']}" if rate["interval"] else None
    text = ", ".join([*([one] if one else []), *rate["limits"]]) or "no limit"
    text = f"{text} ({'changed' if rate['changed'] else 'as configured'})"
    slowed = _slowed(queue)
    return f"{text}\nslowed to {slowed}; neither a change nor a reset makes it faster" if slowed else text


def concurrency_text(queue: Document) -> str:
    """Returns how many batches run at once, and where that differs."""
    if not (found := queue.get("concurrency")):
        return _NOT_SAID
    state = "changed" if found["changed"] else "as configured"
    text = f"{plural(found['each'], 'batch')} at once in each process ({state})"
    return "\n".join([text, *(f"{plural(number, 'batch')} in {name}" for name, number in found["some"].items())])


def _slowed(queue: Document) -> str | None:
    if not (seconds := queue.get("slowed_to")):
        return None
    return f"one start every {seconds:g} s after a refusal, rising to the rate within 10 min without another"


def _paused(queue: Document) -> str:
    priorities = [name for name, depth in queue["priorities"].items() if depth.get("paused")]
    told = [*(["yes"] if queue["paused"] else []), *priorities, *queue.get("paused_owners", ())]
    return click.style(printable(", ".join(told)), fg="yellow") if told else "no"


def _limits(queue: Document) -> str | None:
    binding = queue.get("binding_limit")
    told = [
        f"{one['limit']}: {one['tokens']} left{' (binds)' if one['limit'] == binding else ''}"
        for one in queue.get("limits", ())
    ]
    return ", ".join(told) or None


def _caller(caller: Document, times: Times) -> str:
    name = "nobody's" if caller["name"] is None else printable(caller["name"])
    said = [f"{name}, {caller['priority']}: {plural(caller['waiting'], 'batch')}"]
    if caller["oldest_at"]:
        said.append(f"oldest {times.ago(caller['oldest_at'])}")
    if caller["parked"]:
        said.append(click.style(f"{caller['parked']} paused", fg="yellow"))
    return ", ".join(said)


def _worker(worker: Document, times: Times) -> str:
    hung = f", {worker['abandoned']} hung" if worker["abandoned"] else ""
    slots = f"{worker['busy']} of {worker['slots']} slots busy{hung}"
    for run in worker.get("runs", ())[:_RUNS_SHOWN]:
        slots += f", batch {run['batch_id']} started {times.ago(run['started_at'])}"
    return f"{worker['host']}, process {worker['process']}, {slots}, seen {times.ago(worker['seen_at'])}"


def _depth(depth: Document, times: Times, queue: Document) -> str:
    parked, waiting = depth.get("parked", 0), depth["waiting"]
    said = [plural(waiting, "batch") if waiting else "nothing waits"]
    if depth["oldest_at"]:
        said.append(f"oldest {times.ago(depth['oldest_at'])}")
    if drained_at := expected(depth["drained_at"], queue):
        said.append(f"last goes {times.due(drained_at)}")
    if depth.get("paused"):
        said.append(click.style("paused", fg="yellow"))
    elif parked:
        said.append(f"{parked} of paused callers")
    return ", ".join(said)


def _next(batch: Document, times: Times, queue: Document, awaited: str) -> str:
    start = expected(batch["estimated_start"], queue)
    when = times.due(start) if start else awaited
    return f"{when:<14}  {batch['priority']:<6}  {batch['batch_id']}  {some_ids(batch['ids'])}"
