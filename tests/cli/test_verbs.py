"""Every other verb, against a real service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app import PermanentError
from app.cli.verify import read, verify
from app.core import BatchError
from app.core.clock import SystemClock
from app.naming import release
from tests.support.cli import Service, lines, older, run
from tests.support.host import Host, eventually
from tests.support.queueing import claimed, retry, worked_elsewhere
from tests.support.scripted import problem, scripted
from tests.support.sink import SECRET, Sink

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_status_for_people_and_for_machines(service: Service) -> None:
    ingestion_id = service.submitted("1", "2", "3", "13")
    text = service("status", ingestion_id).stdout
    assert "4 in 2 batches: 1 completed, 1 failed" in text
    assert "PermanentError: 13 is bad luck" in text
    (document,) = lines(service("status", ingestion_id, "--json"))
    assert [batch["ids"] for batch in document["batches"]] == [[1, 2, 3], [13]]
    second = service("status", ingestion_id, "--limit", "1", "--offset", "1", "--json")
    assert [batch["ids"] for batch in lines(second)[0]["batches"]] == [[13]]


def test_the_queue_shows_what_each_caller_has_waiting(serve: Callable[..., Host]) -> None:
    host = serve(clock=SystemClock(), autostart=False, fair=True)
    host.ingestion.submit([1, 2, 3, 4], "LOW", owner="nightly")
    host.ingestion.submit([5], "HIGH")
    with closing(Service(host)) as service:
        text = service("queue").stdout
        assert "nightly, LOW: 2 batches, oldest" in text
        assert "nobody's, HIGH: 1 batch, oldest" in text
        assert "nightly, LOW: 2 batches, 2 paused\n" in service("pause", "--owner", "nightly").stdout


def test_the_queue_promises_no_time_while_nobody_works(serve: Callable[..., Host]) -> None:
    service = Service(serve(autostart=False))
    service.host.app.testing = False
    try:
        service.host.submit([1])
        text = service("queue").stdout
        assert "worker      off, and no other is there\n" in text
        assert "\nwaiting on  a worker\n" in text
        assert "last goes" not in text
        assert "\nnext        by a worker     MEDIUM  " in text
        worked_elsewhere(service.host.store)
        text = service("queue").stdout
        assert "worker      off\n" in text
        assert "\nwaiting on  nothing\n" in text
        assert "last goes" in text
    finally:
        service.close()


def test_the_queue_says_that_work_is_only_simulated(serve: Callable[..., Host]) -> None:
    service = Service(serve(autostart=True))
    try:
        service.host.service.start()
        assert "\nprocessor   none: work is only simulated\n" in service("queue").stdout
        service.host.ingestion.processor(lambda ids: ids)
        assert "processor" not in service("queue").stdout
    finally:
        service.close()


def test_status_says_what_keeps_an_ingestion_from_starting(serve: Callable[..., Host]) -> None:
    service = Service(serve(autostart=False, interval=0))
    service.host.app.testing = False
    store, client = service.host.store, service.host.client
    try:
        made = service.host.submit([1, 2, 3, 4], "LOW", owner="ann")
        retry(store, claimed(store)[0], BatchError("X", "y"), 0)
        told = partial(service, "status", made.id)
        text = told().stdout
        assert "\nwaiting on  a worker; none is there\n" in text
        assert "should" not in text
        assert "  waits to go again" in text
        worked_elsewhere(store)
        text = told().stdout
        assert "waiting on" not in text
        assert "\nshould end  " in text
        assert "  goes again now" in text
        store.hold(51)
        assert "\nwaiting on  the end of a hold, in 51 s\n" in told().stdout
        assert "  goes again in 51 s" in told().stdout
        for what, name in ("owner=ann", "ann"), ("priority=LOW", "LOW"), ("", "the queue"):
            client.post(f"/queue/pause?{what}")
            assert f"\nwaiting on  a resume; {name} is paused\n" in told().stdout
        client.post("/queue/resume")
        client.post("/queue/resume?priority=LOW&owner=ann")
        client.post("/queue/hold/end")
        claimed(store, 2)
        store.hold(51)
        assert "waiting on" not in told().stdout
    finally:
        service.close()


def test_an_error_makes_no_line_and_no_colour_of_its_own(serve: Callable[..., Host]) -> None:
    def process(_: Any) -> None:
        raise PermanentError("bad\nluck\x1b[31m")

    service = Service(serve(process, clock=SystemClock(), autostart=True))
    text = service("status", service.submitted("1"), color=True).stdout
    assert text.splitlines()[-1].endswith(r"  PermanentError: bad\nluck\x1b[31m")
    service.close()


def test_status_shows_the_first_batches_of_many(service: Service) -> None:
    ingestion_id = service.submitted(*map(str, range(100, 200)))
    result = service("status", ingestion_id)
    assert result.stdout.count("completed     ") == 20
    assert result.stderr == "14 more batches; see --limit and --offset.\n"


def test_status_shows_only_the_batches_in_one_status(service: Service) -> None:
    ingestion_id = service.submitted("1", "2", "3", "13")
    (document,) = lines(service("status", ingestion_id, "--status", "failed", "--json"))
    assert [batch["ids"] for batch in document["batches"]] == [[13]]
    (document,) = lines(service("status", document["batches"][0]["batch_id"], "--status", "completed", "--json"))
    assert [batch["ids"] for batch in document["batches"]] == [[1, 2, 3]]
    many = service.submitted(*map(str, range(100, 200)))
    assert service("status", many, "--status", "completed").stderr == "14 more batches; see --limit and --offset.\n"
    assert service("status", many, "--status", "failed").stderr == ""


def test_results_are_ndjson(service: Service) -> None:
    ingestion_id = service.submitted("7", "8", "7")
    result = service("results", ingestion_id)
    assert lines(result) == [
        {"id": 7, "data": {"square": 49}},
        {"id": 8, "data": {"square": 64}},
        {"id": 7, "data": {"square": 49}},
    ]
    assert result.stderr == ""


def test_the_listing_is_newest_first_and_filtered(service: Service) -> None:
    first, second, failed = (service.submitted(*words) for words in (["1"], ["2", "-p", "HIGH"], ["13"]))
    assert [one["ingestion_id"] for one in lines(service("list", "--json"))] == [failed, second, first]
    assert [one["ingestion_id"] for one in lines(service("list", "--json", "--limit", "2"))] == [failed, second]
    assert [one["ingestion_id"] for one in lines(service("list", "--json", "--priority", "high"))] == [second]
    listed = service("list", "--status", "failed")
    (line,), (head,) = listed.stdout.splitlines(), listed.stderr.splitlines()
    assert max(len(head), len(line)) <= 80
    assert head.split() == ["INGESTION", "STATUS", "PRIORITY", "ENDED", "CREATED"]
    assert head.index("STATUS") == line.index("failed")
    assert service("list", "--status", "cancelled").stderr == "No such ingestion.\n"
    assert line.split()[:4] == [failed, "failed", "MEDIUM", "1/1"]
    assert service("list", "--since", "8h", "--status", "failed").stdout == listed.stdout
    assert service("list", "--until", "8h").stderr == "No such ingestion.\n"
    wrong = service("list", "--until", "later")
    assert (wrong.exit_code, "--until must be an RFC 3339 time" in wrong.stderr) == (2, True)


def test_failures_for_people_and_for_machines(service: Service) -> None:
    assert service("failures").stderr == "No failed batch.\n"
    first, second = service.submitted("13", "-p", "low"), service.submitted("13", "-p", "high")
    text = service("failures", "--since", "2h").stdout
    assert "2 batches, from " in text
    assert "  PermanentError: … is bad luck\n" in text
    assert "13 is bad luck" in text
    (group,) = lines(service("failures", "--json", "--priority", "low"))
    assert (group["count"], group["ingestions"]) == (1, [first])
    found = lines(service("failures", "--ids", "--group", group["group"]))
    assert [(line["id"], line["ingestion_id"]) for line in found] == [(13, second), (13, first)]
    wrong = service("failures", "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "--since must be an RFC 3339 time, or how long ago, as 90s, 30m, 8h or 2d, not 'yesterday'." in wrong.stderr


def test_where_an_id_is(service: Service) -> None:
    first, second = service.submitted("13", "14"), service.submitted("15")
    (document,) = lines(service("where", "15", "--json"))
    assert [one["ingestion"]["ingestion_id"] for one in document["found"]] == [second]
    found = service("where", "13")
    assert found.stdout.startswith(f"ingestion {first}, MEDIUM, created ")
    assert "  PermanentError: 13 is bad luck\n" in found.stdout
    nowhere = service("where", "99")
    assert (nowhere.exit_code, nowhere.stdout) == (1, "99 is nowhere.\n")
    assert service("where", " ").exit_code == 4


def test_the_attempts_at_each_batch(service: Service, serve: Callable[..., Host]) -> None:
    def process(_: Any) -> None:
        raise PermanentError("bad luck")

    made = service.submitted("13", "14")
    told = service("attempts", made).stdout
    assert told.startswith(f"ingestion  {made}\ncreated ")
    assert told.endswith("No attempt is kept; see ATTEMPTS_KEPT.\n")
    service("pause", "--priority", "low")
    assert "\nwaiting on  a resume of its priority\n" in service("attempts", service.host.submit([1], "LOW").id).stdout
    keeping = Service(serve(process, clock=SystemClock(), autostart=True, interval=0, attempts_kept=2))
    made = keeping.submitted("13", "14")
    (document,) = lines(keeping("attempts", made, "--json"))
    (attempt,) = document["attempts"]
    told = keeping("attempts", attempt["batch_id"]).stdout
    assert ", waited 0.0 s for nothing, failed after 0.0 s, " in told
    assert told.endswith(": PermanentError: bad luck\n")
    keeping.close()


def test_redrive_and_cancel_of_all_that_match(service: Service) -> None:
    for _ in range(3):
        service.submitted("13")
    chosen = ["--status", "failed", "--since", "8h"]
    assert service("redrive", *chosen, "--dry-run").stdout == "3 ingestions, 3 batches\n"
    assert service("redrive", "--with-failed", "--dry-run").stdout == "3 ingestions, 3 batches\n"
    done = service("redrive", *chosen, "--json")
    (document,) = lines(done)
    assert (document["state"], document["acted"]) == ("finished", 3)
    assert service("cancel", "--status", "yet_to_start", "--owner", "x").stdout == "cancel of 0 ingestions is done\n"
    cancelled, redriven = service("audit").stdout.splitlines()
    assert cancelled.endswith(': matched 0, status "yet_to_start", owner "x"')
    assert f": redrive_all {document['sweep_id']}: matched 3, " in redriven
    for words, said in (
        (["redrive"], "Give an ingestion's id, or options that choose some"),
        (["redrive", UNKNOWN, "--status", "failed"], "Give either an ingestion's id, or options that choose some."),
        (["redrive", "--since", "soon"], "--since must be an RFC 3339 time"),
    ):
        wrong = service(*words)
        assert (wrong.exit_code, said in wrong.stderr) == (2, True)


def test_a_callers_ingestions_are_listed(service: Service) -> None:
    for owner in ("web", None, "import", "web"):
        service.host.submit([1], "LOW", owner=owner)
    assert len(lines(service("list", "--owner", "web", "--json"))) == 2
    assert service("list", "--owner", "nobody").stderr == "No such ingestion.\n"
    assert service("list", "--owner", "").exit_code == 4


def test_sweeps_are_listed_newest_first(service: Service) -> None:
    none = service("sweeps")
    assert (none.stdout, none.stderr) == ("", "Nobody has redriven or cancelled all that match.\n")
    service.submitted("13")
    service("redrive", "--with-failed", "--since", "8h", "--yes")
    service("cancel", "--owner", "web", "--priority", "low", "--yes")
    service("cancel", "--since", "2999-01-01T00:00:00Z", "--yes")
    ahead, cancel, redrive = service("sweeps").stdout.splitlines()
    assert re.search(r": cancel \(since in \d+ d \d+ h\): finished, 0 of 0 ingestions$", ahead)
    assert cancel.endswith(" anybody: cancel (priority LOW, owner web): finished, 0 of 0 ingestions")
    assert redrive.endswith(" anybody: redrive (since 8 h 00 min ago, failed): finished, 1 of 1 ingestion")
    assert [one["verb"] for one in lines(service("sweeps", "--json"))] == ["cancel", "cancel", "redrive"]
    assert len(service("sweeps", "--limit", "1").stdout.splitlines()) == 1


def test_redrive_starts_over_what_failed(service: Service) -> None:
    ingestion_id = service.submitted("13")
    (document,) = lines(service("redrive", ingestion_id, "--json"))
    assert document["ingestion_id"] == ingestion_id
    again = service("redrive", service.submitted("1"))
    assert again.exit_code == 4
    assert "nothing to redrive" in again.stderr


def test_pause_resume_and_queue(service: Service) -> None:
    assert "\npaused      yes\n" in service("pause").stdout
    service("submit", "1", "2", "3", "4", "-p", "LOW")
    (document,) = lines(service("queue", "--json"))
    assert (document["paused"], document["waiting_on"], document["waiting"]) == (True, "paused", 2)
    text = service("queue").stdout
    assert "LOW         2 batches, oldest " in text
    assert "1, 2, 3" in text
    assert "starts when it is resumed" in service("quote", "5").stdout
    assert "\npaused      no\n" in service("resume").stdout


def test_the_number_of_batches_at_once_is_changed_and_set_back(service: Service) -> None:
    before = service("concurrency").stdout
    assert before.endswith(" at once in each process (as configured)\n")
    assert service("concurrency", "1").stdout == "1 batch at once in each process (changed)\n"
    own = service.host.service.worker.id
    assert f"\n1 batch in {own}\n" in service("concurrency", "1", "--worker", own[:8]).stdout
    assert (
        service("concurrency", "--reset", "--worker", own[:8]).stdout == "1 batch at once in each process (changed)\n"
    )
    assert service("concurrency", "--reset").stdout == before
    refused = service("concurrency", "1", "--worker", "nobody")
    assert (refused.exit_code, f"those that work on it are: {own} on" in refused.stderr) == (4, True)
    assert "concurrency must be a whole number from 1 to" in service("concurrency", "1000").stderr


def test_a_priority_and_a_caller_are_paused_by_themselves(service: Service) -> None:
    assert "\nHIGH        nothing waits, paused\n" in service("pause", "--priority", "high").stdout
    text = service("pause", "--owner", "ann").stdout
    assert "\npaused      HIGH, ann\n" in text
    service.host.submit([1], "LOW", owner="ann")
    assert "LOW         1 batch, 1 of paused callers" in service("queue").stdout
    assert "\npaused      yes, HIGH, ann\n" in service("pause").stdout
    service("resume")
    assert "\npaused      HIGH\n" in service("resume", "--owner", "ann").stdout
    text = service("resume", "--priority", "HIGH").stdout
    assert "\npaused      no\n" in text
    assert "\nHIGH        nothing waits\n" in text
    assert service("pause", "--owner", "").exit_code == 4


def test_a_hold_is_shown_and_ended(service: Service) -> None:
    service.host.store.hold(300)
    text = service("queue").stdout
    assert "\nhold ends   in 4 min 5" in text or "\nhold ends   in 5 min" in text
    (document,) = lines(service("end-hold", "--json"))
    assert document["hold_until"] is None
    assert "hold ends" not in service("queue").stdout
    assert re.search(r": end_hold: hold_until 20\d\d-\d\d-\d\dT[\d:.]+Z -> null$", service("audit").stdout, re.M)


def test_quote_for_people_and_for_machines(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("1 2 3 4")
    text = service("quote", "-f", str(file)).stdout
    assert [line.split()[0] for line in text.splitlines()] == ["HIGH", "MEDIUM", "LOW"]
    (document,) = lines(service("quote", "1", "--json"))
    assert set(document) == {"HIGH", "MEDIUM", "LOW"}
    assert lines(service("list", "--json")) == []


@pytest.mark.parametrize("verb", ["status", "wait", "results", "cancel", "redrive", "redrive-callback"])
def test_an_unknown_ingestion_is_4(service: Service, verb: str) -> None:
    result = service(verb, UNKNOWN)
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"Error: There is no ingestion '{UNKNOWN}'" in result.stderr


def test_nobody_there_is_4(service: Service) -> None:
    service.close()
    result = service("queue", "--retries", "0")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == f"Error: {service.url}: Connection refused.\n"


def test_verify_proves_what_was_dispatched(service: Service, tmp_path: Path) -> None:
    service.submitted(*map(str, range(20, 40)))
    result = service("verify")
    assert result.exit_code == 0
    assert result.stdout == "7 dispatches, no limit: the rate and the order were kept\n"
    document = service.host.client.get("/dispatches").get_json()
    file = tmp_path / "log.json"
    file.write_text(json.dumps(document))
    assert service("verify", str(file)).exit_code == 0
    assert verify(read(file.read_text()).dispatches, interval=0) == []


def test_verify_catches_a_planted_violation_of_each_kind(service: Service) -> None:
    def dispatch(started_at: float, due_at: float, rank: int, priority: str) -> dict[str, Any]:
        return {
            "started_at": started_at, "due_at": due_at, "batch_id": f"b{started_at:g}", "ingestion_id": "a",
            "position": 0, "attempt": 1, "priority": priority, "rank": rank, "order": rank, "limited_by": "token",
        }  # fmt: skip

    planted = [dispatch(0, 0, 1, "HIGH"), dispatch(5, 0, 3, "LOW"), dispatch(8, 4, 1, "HIGH")]
    log = json.dumps({"interval": 5.0, "burst": 1, "dispatches": planted})
    result = service("verify", "-", stdin=log)
    assert result.exit_code == 1
    assert ": the rate and the order were not kept\n" in result.stdout
    assert "rate: 2 starts within 3.000000 s, from batch b5 (LOW" in result.stdout
    assert "order: batch b5 (LOW, started at 5.000000) started 3.000000 s before batch b8 (HIGH" in result.stdout
    (document,) = lines(service("verify", "-", "--json", stdin=log))
    assert [(one["rule"], one["earlier"]["batch_id"], one["later"]["batch_id"]) for one in document["violations"]] == [
        ("rate", "b5", "b8"),
        ("order", "b5", "b8"),
    ]
    assert ": the rate was not kept\n" in service("verify", "-", "--grace", "2", stdin=log).stdout
    assert service("verify", "-", "--interval", "3", "--grace", "2", stdin=log).exit_code == 0


def test_verify_says_what_it_looked_at(service: Service) -> None:
    def dispatch(batch: str, **members: Any) -> dict[str, Any]:
        place = {"due_at": 0, "position": 0, "rank": 2, "order": int(batch), "priority": "MEDIUM", "owner": "web"}
        return {"started_at": 5.0, "batch_id": batch, **place, **members}

    led = [dispatch("1"), dispatch("2", rode_with="1")]
    kept = service("verify", "-", stdin=json.dumps({"interval": 5, "burst": 1, "fair": {}, "dispatches": led}))
    all_four = "the rate, the order, the share of each caller and the place of each rider were kept\n"
    assert kept.stdout == f"2 dispatches, one every 5 s with a burst of 1: {all_four}"
    strayed = [dispatch("0", started_at=0), *led, dispatch("3", started_at=9, rode_with="1")]
    result = service("verify", "-", stdin=json.dumps({"interval": 5, "burst": 1, "dispatches": strayed}))
    assert result.exit_code == 1
    assert ": the place of each rider was not kept\n" in result.stdout


def test_verify_proves_another_limit_than_the_log_says_where_one_is_named(service: Service) -> None:
    log = json.dumps({"interval": 5.0, "burst": 1, "limits": ["1/h"], "dispatches": []})
    for words, limit in (
        ("", "one every 5 s with a burst of 1, 1/h"),
        ("--interval 9", "one every 9 s with a burst of 1, 1/h"),
        ("--burst 2 --limits 2/h", "one every 5 s with a burst of 2, 2/h"),
    ):
        assert f"dispatches, {limit}: " in service("verify", "-", *words.split(), stdin=log).stdout
    assert "what an option names is proved instead" in " ".join(service("verify", "--help").stdout.split())


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_short_too(option: str) -> None:
    result = run(option, url="")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0,
        "Usage: flask-ingestion [OPTIONS] COMMAND [ARGS]...",
    )
    assert run("list", option, url="").stdout.startswith("Usage: flask-ingestion list")


def test_its_version() -> None:
    assert run("--version", url="").stdout == f"Flask-Ingestion, version {release()}\n"


def test_an_empty_listing_says_so(service: Service) -> None:
    result = service("list")
    assert (result.stdout, result.stderr) == ("", "No ingestion.\n")


def test_without_a_key_it_says_where_one_goes() -> None:
    with scripted(problem(401, "Send a key of this service as Authorization: Bearer <key>.")) as server:
        result = run("queue", url=server.url)
    assert result.exit_code == 4
    assert "Give a key with --key, in INGEST_KEY, or in a profile." in result.stderr


def test_several_limits_are_shown_and_proved(serve: Callable[..., Host]) -> None:
    service = Service(serve(clock=SystemClock(), limits="2/h"))
    service.host.submit([1])
    claimed(service.host.store)
    assert "2/h: 0 left (binds)" in service("queue").stdout
    assert "1 dispatches, 2/h: the rate and the order were kept" in service("verify").stdout
    wrong = service("verify", "--limits", "fast")
    assert wrong.exit_code == 2
    assert "--limits must be limits such as 10/s" in wrong.stderr
    service.close()


def test_a_callback_is_asked_for_shown_and_sent_again(serve: Callable[..., Host]) -> None:
    with Sink() as sink:
        sink.answer = lambda exchange: exchange.reply(status=410 if len(sink.told) == 1 else 204)
        hosts = {"webhook_hosts": f"127.0.0.1:{sink.port}", "webhook_secret": SECRET}
        service = Service(serve(lambda _: None, clock=SystemClock(), interval=0, **hosts))
        service.host.ingestion.start()
        ingestion_id = service.submitted("1", "--callback", f"{sink.url}/in")
        eventually(lambda: "failed after 1 attempt:" in service("status", ingestion_id).stdout)
        assert f"callback   failed after 1 attempt: 127.0.0.1:{sink.port} answered 410." in (
            service("status", ingestion_id).stdout
        )
        assert service("redrive-callback", ingestion_id).exit_code == 0
        eventually(lambda: "callback   sent after 2 attempts" in service("status", ingestion_id).stdout)
        again = service("redrive-callback", ingestion_id)
        assert (again.exit_code, "nothing to send again" in again.stderr) == (4, True)
        refused = service("submit", "1", "--callback", "http://127.0.0.1/")
        assert (refused.exit_code, "WEBHOOK_HOSTS" in refused.stderr) == (4, True)
        service.host.ingestion.stop(0)
        service.close()


def test_move_takes_an_ingestion_to_another_priority(service: Service) -> None:
    service("pause")
    ingestion_id = service.host.submit([1, 2], "MEDIUM").id
    (document,) = lines(service("move", ingestion_id[:8], "high", "--json"))
    assert (document["ingestion_id"], document["priority"]) == (ingestion_id, "HIGH")
    assert f'move {ingestion_id}: priority "MEDIUM" -> "HIGH"' in service("audit").stdout
    service("cancel", ingestion_id)
    again = service("move", ingestion_id, "low")
    assert (again.exit_code, "nothing is left to move" in again.stderr) == (4, True)


def test_the_rate_a_hold_and_the_audit_log(service: Service) -> None:
    assert service("audit").stdout == "Nobody has changed anything yet.\n"
    before = service("rate").stdout
    assert before.endswith("(as configured)\n")
    assert service("rate", "--interval", "20", "--burst", "1").stdout == "one every 20 s with a burst of 1 (changed)\n"
    refused = service("rate", "--limit", "10/s=5/s")
    assert refused.exit_code == 4
    assert "'10/s' is none of the configured limits; there are none." in refused.stderr
    assert service("rate", "--reset").stdout == before
    assert "hold ends" not in service("end-hold").stdout
    log = service("audit").stdout.splitlines()
    assert [line.split(" ", 1)[1].split(":")[1] for line in log] == [" change_rates", " change_rates"]
    assert "-> 20.0" in log[1]


def test_the_rate_names_a_slow_down_which_it_does_not_end(serve: Callable[..., Host]) -> None:
    service = Service(serve(interval=5))
    store = service.host.store
    try:
        service.host.submit([1])
        store.slow_down(claimed(store)[0])
        assert "\nslowed to   one start every 10 s after a refusal, rising" in service("queue").stdout
        for words in ("rate", "rate --interval 9", "rate --reset"):
            rate, slowed = service(*words.split()).stdout.splitlines()
            assert rate.startswith("one every ")
            assert slowed == (
                "slowed to one start every 10 s after a refusal, rising to the rate within 10 min without another; "
                "neither a change nor a reset makes it faster"
            )
        service.host.clock.advance(600)
        assert "slowed" not in service("rate").stdout
    finally:
        service.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("rate --reset --interval 9", "--reset goes back to what is configured; give it alone."),
        ("rate --reset --limit 10/s=5/s", "--reset goes back to what is configured; give it alone."),
        ("concurrency 3 --reset", "--reset goes back to what is configured; give it without COUNT."),
        ("concurrency --worker a-host", "--worker needs COUNT or --reset"),
        ("failures --ids --limit 5", "--limit is for groups; --ids prints every id, of one group with --group."),
        ("quote 1 --deadline 60", "No such option"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(service: Service, words: str, says: str) -> None:
    refused = service(*words.split())
    assert (refused.exit_code, says in refused.stderr) == (2, True), refused.stderr
    assert service("audit").stdout == "Nobody has changed anything yet.\n"


@pytest.mark.parametrize("verb", ["rate", "concurrency"])
def test_what_an_older_service_does_not_say_is_unknown(serve: Callable[..., Host], verb: str) -> None:
    service = Service(older(serve()))
    try:
        assert service(verb).stdout == "unknown: this service is of a release that does not say\n"
    finally:
        service.close()


def test_a_rate_that_is_not_given_is_as_configured(serve: Callable[..., Host]) -> None:
    service = Service(serve(interval=5, limits="10/s"))
    try:
        assert service("rate", "--limit", "10/s=5/s").stdout == "one every 5 s with a burst of 1, 5/s (changed)\n"
        assert service("rate", "--interval", "9").stdout == "one every 9 s with a burst of 1, 10/s (changed)\n"
    finally:
        service.close()
    assert "What is not given is as configured." in service("rate", "--help").stdout


def test_with_fill_what_is_foretold_is_the_latest_it_can_be(serve: Callable[..., Host]) -> None:
    service = Service(serve(clock=SystemClock(), fill=True))
    worked_elsewhere(service.host.store)
    try:
        (ingestion_id,) = service("submit", "1").stdout.split()
        text = service("status", ingestion_id).stdout
        assert re.search(r"\nshould start .* at the latest\nshould end .* at the latest\n", text)
        assert service("quote", "1").stdout.count(" at the latest") == 3
    finally:
        service.close()
