"""The service's documents in words and columns, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core import printable

Document = Mapping[str, Any]

_IDS_SHOWN = 8


def status_text(status: Document) -> str:
    """Returns an ingestion, and the batches that came with it."""
    rows = [
        ("ingestion", status["ingestion_id"]),
        ("status", status["status"]),
        ("priority", status["priority"]),
        ("ids", f"{status['id_count']} in {count(status['batch_count'])}: {progress(status)}"),
        ("created", status["created_at"]),
        ("started", status["started_at"]),
        ("finished", status["finished_at"]),
        ("ahead", count(status["batches_ahead"]) if status.get("batches_ahead") else None),
        ("should start", status.get("estimated_start") if not status["started_at"] else None),
        ("should end", status.get("estimated_completion")),
        ("callback", _callback(status["callback"]) if status.get("callback") else None),
    ]
    return "\n".join([_columns(rows), *map(_batch, status["batches"])])


def _callback(callback: Document) -> str:
    attempts = callback["attempts"]
    said = f"{callback['state']} after {attempts} attempt{'s' * (attempts != 1)}"
    if callback["next_attempt_at"]:
        said += f", goes again at {callback['next_attempt_at']}"
    return f"{said}: {callback['error']}" if callback["error"] else said


def progress(status: Document) -> str:
    """Returns an ingestion's progress, such as `2 completed, 1 triggered`."""
    return ", ".join(f"{count} {word}" for word, count in status["counts"].items() if count)


def finished(status: Document) -> int:
    """Returns how many of its batches have ended."""
    return sum(status["counts"][word] for word in ("completed", "failed", "cancelled"))


def ending(status: Document) -> str:
    """Returns when an ingestion should end, if it has not yet."""
    if "estimated_completion" not in status:
        return str(status["status"])
    return f"should end {status['estimated_completion'] or 'some time after the queue is resumed'}"


LISTING_HEAD = f"{'INGESTION':<36}  {'STATUS':<12}  {'PRIORITY':<8}  {'ENDED':>11}  CREATED"


def listing_line(status: Document) -> str:
    """Returns an ingestion in one line."""
    done = f"{finished(status)}/{status['batch_count']}"
    return (
        f"{status['ingestion_id']}  {status['status']:<12}  {status['priority']:<8}  {done:>11}  {status['created_at']}"
    )


def group_text(group: Document) -> str:
    """Returns a group of failures in three lines."""
    sample = group["sample"]
    return printable(
        f"{group['group']}  {count(group['count'])}, from {group['first_at']} to {group['last_at']}"
    ) + "".join(
        f"\n  {printable(line)}"
        for line in (
            f"{group['type']}: {group['message']}",
            f"the latest: {sample['batch_id']}  {sample['error']['message']}",
        )
    )


def quote_text(quotes: Document) -> str:
    """Returns when a request would start and end at each priority."""
    return _columns(
        (
            priority,
            f"{count(quote['batches_ahead'])} ahead, "
            + (
                f"starts {quote['estimated_start']}, ends {quote['estimated_completion']}"
                if quote["estimated_start"]
                else "starts when the queue is resumed"
            ),
        )
        for priority, quote in quotes.items()
    )


def queue_text(queue: Document) -> str:
    """Returns the state of the queue."""
    error = queue.get("estimate_error")
    rows = [
        ("worker", queue["worker"]),
        ("paused", "yes" if queue["paused"] else "no"),
        ("waiting on", queue["waiting_on"] or "nothing"),
        ("held until", queue["hold_until"]),
        ("running", count(queue["running"])),
        ("tokens", f"{queue['tokens']}, the next at {queue['next_token_at']}"),
        ("limits", _limits(queue)),
        ("slowed to", f"one start every {queue['slowed_to']:.1f} s" if queue.get("slowed_to") else None),
        *((priority, _depth(depth)) for priority, depth in queue["priorities"].items()),
        ("estimates", f"off by {error['mean']:.1f} s, 95% by less than {error['p95']:.1f} s" if error else None),
        *(("next", _next(batch)) for batch in queue["next"]),
        *(("at work", _worker(one)) for one in queue.get("workers", ())),
    ]
    return _columns(rows)


def rate_text(queue: Document) -> str:
    """Returns the rate in force."""
    rate = queue["rate"]
    one = f"one every {rate['interval']:g} s with a burst of {rate['burst']}" if rate["interval"] else None
    text = ", ".join([*([one] if one else []), *rate["limits"]]) or "no limit"
    return f"{text} ({'changed' if rate['changed'] else 'as configured'})"


def audit_text(page: Document) -> str:
    """Returns the entries of the audit log, a line each."""
    return "\n".join(map(_entry, page["entries"])) or "Nobody has changed anything yet."


def _entry(entry: Document) -> str:
    changes = ", ".join(
        f"{name} {json.dumps(entry['before'][name])} -> {json.dumps(value)}" for name, value in entry["after"].items()
    )
    subject = f" {entry['subject']}" if entry["subject"] else ""
    return f"{entry['at']} {entry['by'] or 'anybody'}: {entry['action']}{subject}: {changes}"


def _limits(queue: Document) -> str | None:
    binding = queue.get("binding_limit")
    told = [
        f"{one['limit']}: {one['tokens']} left{' (binds)' if one['limit'] == binding else ''}"
        for one in queue.get("limits", ())
    ]
    return ", ".join(told) or None


def _worker(worker: Document) -> str:
    hung = f", {worker['abandoned']} hung" if worker["abandoned"] else ""
    slots = f"{worker['busy']} of {worker['slots']} slots busy{hung}"
    return f"{worker['host']}, process {worker['process']}, {slots}, seen {worker['seen_at']}"


def proof_text(proof: Document) -> str:
    """Returns what a log of dispatches proves, in words."""
    limit = f"one every {proof['interval']:g} s with a burst of {proof['burst']}" if proof["interval"] else "no limit"
    limit = ", ".join([*([limit] if proof["interval"] or not proof["limits"] else []), *proof["limits"]])
    kept = "not kept" if proof["violations"] else "kept"
    lines = [f"{violation['rule']}: {violation['detail']}" for violation in proof["violations"]]
    return "\n".join([f"{proof['dispatches']} dispatches, {limit}: the rate and the order were {kept}", *lines])


def _depth(depth: Document) -> str:
    if not depth["waiting"]:
        return "nothing waits"
    drained = f", the last should start {depth['drained_at']}" if depth["drained_at"] else ""
    return f"{count(depth['waiting'])} waiting, the oldest since {depth['oldest_at']}{drained}"


def _next(batch: Document) -> str:
    when = batch["estimated_start"] or "when resumed"
    return f"{when}  {batch['priority']:<6}  {batch['batch_id']}  {_ids(batch['ids'])}"


def _batch(batch: Document) -> str:
    line = f"  {batch['batch_id']}  {batch['status']:<12}  {_ids(batch['ids'])}"
    if batch.get("attempts", 1) > 1:
        line += f"  ({batch['attempts']} attempts)"
    if again := batch.get("next_attempt_at"):
        line += f"  goes again at {again}"
    if error := batch.get("error"):
        line += printable(f"  {error['type']}: {error['message']}")
    return line


def _ids(ids: Sequence[Any]) -> str:
    shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
    return shown if len(ids) <= _IDS_SHOWN else f"{shown} and {len(ids) - _IDS_SHOWN} more"


def count(batches: int) -> str:
    """Returns a count of batches in words."""
    return "1 batch" if batches == 1 else f"{batches} batches"


def _columns(rows: Iterable[tuple[str, Any]]) -> str:
    """Returns names and values in lines; leaves out what is None."""
    shown = [(name, value) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)
