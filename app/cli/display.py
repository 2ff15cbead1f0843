"""The service's documents in words and columns, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from ..core import Status, plural, printable, timestamp
from .held import Held, due_again, expected, held, waits_on
from .times import Times

Document = Mapping[str, Any]

_IDS_SHOWN = 8
_MOMENTS = ("due_at", "started_at", "ended_at")
_COLOURS = {Status.COMPLETED: "green", Status.FAILED: "red", Status.CANCELLED: "yellow", Status.TRIGGERED: "cyan"}


def status_text(status: Document, times: Times, queue: Document | None = None) -> str:
    """Returns an ingestion, and the batches that came with it; with the `queue`, also what holds it up."""
    began, ended = status["started_at"], status["finished_at"]
    start, end = status.get("estimated_start"), status.get("estimated_completion")
    hold = None
    if queue:
        times = times.as_of(queue["now"])
        hold = held(status, queue, times)
        start, end = expected(start, queue), expected(end, queue)
    rows = [
        ("ingestion", status["ingestion_id"]),
        ("status", coloured(status["status"])),
        ("priority", status["priority"]),
        ("ids", f"{status['id_count']} in {plural(status['batch_count'], 'batch')}: {progress(status)}"),
        ("served", f"{status['served']} ids without a call" if status.get("served") else None),
        ("created", times.ago(status["created_at"])),
        ("started", began and times.ago(began)),
        ("finished", ended and times.ago(ended)),
        ("ahead", plural(status["batches_ahead"], "batch") if status.get("batches_ahead") else None),
        ("waiting on", hold and hold.why),
        ("should start", times.due(start) + _latest(status) if start and not began else None),
        ("should end", end and times.due(end) + _latest(status)),
        ("callback", _callback(status["callback"], times) if status.get("callback") else None),
    ]
    return "\n".join([columns(rows), *(_batch(one, times, hold) for one in status["batches"])])


def coloured(status: str, width: int = 0) -> str:
    """Returns a status in its colour, which `click.echo` strips where the output is not a terminal."""
    return click.style(f"{status:<{width}}", fg=_COLOURS.get(Status(status)))


def _callback(callback: Document, times: Times) -> str:
    said = f"{callback['state']} after {plural(callback['attempts'], 'attempt')}"
    if callback["next_attempt_at"]:
        said += f", goes again {times.due(callback['next_attempt_at'])}"
    return f"{said}: {callback['error']}" if callback["error"] else said


def progress(status: Document) -> str:
    """Returns an ingestion's progress, such as `2 completed, 1 triggered`."""
    return ", ".join(f"{count} {word}" for word, count in status["counts"].items() if count)


def finished(status: Document) -> int:
    """Returns how many of its batches have ended."""
    return sum(status["counts"][word] for word in ("completed", "failed", "cancelled"))


def ending(status: Document, times: Times) -> str:
    """Returns when an ingestion should end, if it has not yet."""
    if "estimated_completion" not in status:
        return str(status["status"])
    end = status["estimated_completion"]
    return f"should end {times.due(end) + _latest(status) if end else 'some time after it is resumed'}"


def _latest(told: Document) -> str:
    """Returns what to say behind an estimate that is an upper bound."""
    return " at the latest" if told.get("at_latest") else ""


LISTING_HEAD = f"{'INGESTION':<36} {'STATUS':<12} {'PRIORITY':<8} {'ENDED':>10} CREATED"


def listing_line(status: Document, times: Times) -> str:
    """Returns an ingestion in one line, of 80 columns at most unless it has very many batches."""
    done, created = f"{finished(status)}/{status['batch_count']}", times.roughly_ago(status["created_at"])
    word = coloured(status["status"], 12)
    return f"{status['ingestion_id']} {word} {status['priority']:<8} {done:>10} {created}"


def group_text(group: Document, times: Times) -> str:
    """Returns a group of failures in three lines."""
    sample, when = group["sample"], f"{times.ago(group['first_at'])} to {times.ago(group['last_at'])}"
    lines = (
        f"{group['group']}  {plural(group['count'], 'batch')}, from {when}",
        f"  {group['type']}: {group['message']}",
        f"  the latest: {sample['batch_id']}  {sample['error']['message']}",
    )
    return "\n".join(map(printable, lines))


def attempts_text(document: Document, times: Times) -> str:
    """Returns the attempts at an ingestion's batches, a line each."""
    end, estimate = document["finished_at"], document["estimated_at_submission"]
    rows = [
        ("ingestion", document["ingestion_id"]),
        ("created", times.ago(document["created_at"])),
        ("estimated", estimate and f"to end {times.around(estimate)}"),
        ("waiting on", document["waiting_on"] and waits_on(document["waiting_on"])),
        ("finished", end and times.ago(end)),
    ]
    told = [printable(_attempt(one, times)) for one in document["attempts"]]
    if not document["kept"]:
        told.append("No attempt is kept; see ATTEMPTS_KEPT.")
    return "\n".join([columns(rows), *told])


def _attempt(attempt: Document, times: Times) -> str:
    due, start, end = (attempt[name] and datetime.fromisoformat(attempt[name]) for name in _MOMENTS)
    line = f"  {attempt['batch_id']}  attempt {attempt['attempt']}, {times.ago(attempt['started_at'])}"
    line += f", waited {(start - due).total_seconds():.1f} s for {waits_on(attempt['limited_by'])}"
    line += f", {attempt['outcome']} after {(end - start).total_seconds():.1f} s" if end else ", running"
    if attempt["host"]:
        line += f", {attempt['host']} process {attempt['process']}"
    return f"{line}: {attempt['error']['type']}: {attempt['error']['message']}" if attempt["error"] else line


def search_text(search: Document, times: Times) -> str:
    """Returns where an id is."""
    lines = [line for one in search["found"] for line in _found(one, times)]
    if not lines:
        lines.append(f"{search['id']} is nowhere{'' if search['complete'] else ' that was searched'}.")
    if search["more"]:
        lines.append("It is in more places; see --limit.")
    if not search["complete"]:
        unfinished = "all unfinished ingestions" if search["all_unfinished"] else "some of the unfinished ingestions"
        since = times.ago(search["searched_since"])
        lines.append(f"Searched: {unfinished}, and of the ended ones those submitted since {since}. See FIND_IDS.")
    return "\n".join(map(printable, lines))


def _found(one: Document, times: Times) -> list[str]:
    ingestion, batch, start, result = one["ingestion"], one["batch"], one["estimated_start"], one["result"] or {}
    created = times.ago(ingestion["created_at"])
    told = f"ingestion {ingestion['ingestion_id']}, {ingestion['priority']}, created {created}"
    lines = [told, f"  batch {batch['batch_id']}, {batch['status']}"]
    if ended := batch.get("finished_at"):
        lines[1] += f" {times.ago(ended)}"
    if start:
        lines[1] += f", should start {times.due(start)}"
    if "data" in result:
        lines.append(f"  {json.dumps(result['data'])}")
    if error := result.get("error") or batch.get("error"):
        lines.append(f"  {error['type']}: {error['message']}")
    return lines


def quote_text(quotes: Document, times: Times) -> str:
    """Returns when a request would start and end at each priority."""

    def when(quote: Document) -> str:
        if not (start := quote["estimated_start"]):
            return "starts when it is resumed"
        return f"starts {times.due(start)}, ends {times.due(quote['estimated_completion'])}{_latest(quote)}"

    ahead = {priority: plural(quote["batches_ahead"], "batch") for priority, quote in quotes.items()}
    return columns((priority, f"{ahead[priority]} ahead, {when(quote)}") for priority, quote in quotes.items())


def audit_text(page: Document, times: Times) -> str:
    """Returns the entries of the audit log, a line each."""
    return "\n".join(_entry(one, times) for one in page["entries"]) or "Nobody has changed anything yet."


def _entry(entry: Document, times: Times) -> str:
    before, after = entry["before"], entry["after"]
    was = {name: f"{_setting(name, before[name])} -> " if name in before else "" for name in after}
    changes = ", ".join(f"{name} {was[name]}{_setting(name, value)}" for name, value in after.items())
    subject = f" {entry['subject']}" if entry["subject"] else ""
    return f"{times.ago(entry['at'])}, {entry['by'] or 'anybody'}: {entry['action']}{subject}: {changes}"


def _setting(name: str, value: Any) -> str:
    """Returns the value that something had or has now as text; `hold_until` is in epoch seconds."""
    return str(timestamp(value)) if name == "hold_until" and value else json.dumps(value)


def proof_text(proof: Document) -> str:
    """Returns what a dispatch log proves, in words."""
    limit = f"one every {proof['interval']:g} s with a burst of {proof['burst']}" if proof["interval"] else "no limit"
    limit = ", ".join([*([limit] if proof["interval"] or not proof["limits"] else []), *proof["limits"]])
    if not proof["dispatches"]:
        return f"0 dispatches, {limit}: there is nothing to prove yet"
    broken = {violation["rule"] for violation in proof["violations"]}
    kept = [_RULES[rule] for rule in proof["checked"] if (rule in broken) == bool(broken)]
    what = f"{', '.join(kept[:-1])} and {kept[-1]} were" if len(kept) > 1 else f"{kept[0]} was"
    lines = [f"{violation['rule']}: {violation['detail']}" for violation in proof["violations"]]
    return "\n".join([f"{proof['dispatches']} dispatches, {limit}: {what} {'not ' if broken else ''}kept", *lines])


_RULES = {
    "rate": "the rate",
    "order": "the order",
    "share": "the share of each caller",
    "riders": "the place of each rider",
}
"""What `verify` checks, in words."""


def _batch(batch: Document, times: Times, hold: Held | None) -> str:
    line = f"  {batch['batch_id']}  {coloured(batch['status'], 12)}  {some_ids(batch['ids'])}"
    if batch.get("attempts", 1) > 1:
        line += f"  ({batch['attempts']} attempts)"
    if again := batch.get("next_attempt_at"):
        line += f"  {due_again(again, hold, times)}"
    if error := batch.get("error"):
        line += printable(f"  {error['type']}: {error['message']}")
    return line


def some_ids(ids: Sequence[Any]) -> str:
    """Returns the first ids of a batch, and how many more there are."""
    shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
    return shown if len(ids) <= _IDS_SHOWN else f"{shown} and {len(ids) - _IDS_SHOWN} more"


def columns(rows: Iterable[tuple[str, Any]]) -> str:
    """Returns names and values in lines; leaves out what is None."""
    shown = [(name, value) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)
