"""What Prometheus reads, and whether it would accept it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app import HoldQueue, IngestionAPI, PermanentError
from app.errors import StoreUnavailable
from app.keys import Role
from tests.support.absent import absent
from tests.support.clock import START, FakeClock
from tests.support.host import Host, eventually
from tests.support.queueing import claimed, worked_elsewhere
from tests.support.sink import SECRET
from tests.support.web import Callers

Serve = Callable[..., Host]
DOCS = Path(__file__).parents[2] / "docs"
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here; Debian has it in the package prometheus"
)
LABELS = {"queue", "priority", "outcome", "reason", "state", "statistic", "le"}
UNITS = ("_seconds", "_bytes", "_ids", "_batches")


def scrape(host: Host, path: str = "/metrics") -> dict[str, Metric]:
    """The families by name, without those that only say when a series began."""
    response = host.client.get(path)
    assert response.status_code == 200, response.text
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    return {name: family for name, family in families.items() if not name.endswith("_created")}


def value(host: Host, name: str, **labels: str) -> float:
    """One sample's value; labels beyond the queue's name have to be given all."""
    wanted = {"queue": "ingest", **labels}
    samples = [sample for family in scrape(host).values() for sample in family.samples if sample.name == name]
    (found,) = [sample.value for sample in samples if sample.labels == wanted]
    return float(found)


def busy(serve: Serve) -> Host:
    """A host in which everything that is counted has happened."""

    def work(ids: Any) -> None:
        if 1 in ids:
            raise PermanentError("no such record")
        if 2 in ids and len(host.heard.all("started")) < 3:
            raise RuntimeError("not yet")
        if 3 in ids and len(held) < 1:
            held.append(ids)
            raise HoldQueue(30)

    held: list[Any] = []
    host: Host = serve(interval=0, batch_size=1, backoff=0, backoff_max=0, concurrency=1)
    host.submit([1, 2], "HIGH")
    host.submit([4, 5], "LOW")
    host.service.cancel(host.submit([9, 9, 9], "MEDIUM").id)
    host.client.post("/ingest", json={"ids": []})
    host.ingestion.processor(work)
    host.ingestion.start()
    host.heard.until("completed", 3)
    host.submit([3], "HIGH")
    eventually(lambda: held and not host.service.worker.running)
    return host


def test_what_happened_is_counted(serve: Serve) -> None:
    host = busy(serve)
    assert value(host, "ingestion_submissions_total", priority="HIGH") == 2
    assert value(host, "ingestion_submitted_ids_total", priority="MEDIUM") == 3
    assert value(host, "ingestion_rejections_total", reason="invalid") == 1
    assert value(host, "ingestion_batches_total", priority="HIGH", outcome="failed") == 1
    assert value(host, "ingestion_batches_total", priority="HIGH", outcome="completed") == 1
    assert value(host, "ingestion_batches_total", priority="LOW", outcome="completed") == 2
    assert value(host, "ingestion_batches_total", priority="MEDIUM", outcome="cancelled") == 3
    assert value(host, "ingestion_retries_total", priority="HIGH") == 1
    assert value(host, "ingestion_upstream_holds_total") == 1
    assert value(host, "ingestion_upstream_hold_remaining_seconds") == 30


def measured(serve: Serve) -> Host:
    """A host that has ended two batches of 2 seconds each, the first of which waited for 10."""
    clock = FakeClock()

    def work(_: Any) -> None:
        clock.advance(2)

    callbacks = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": SECRET}
    host = serve(clock=clock, limits="100/s burst 100", concurrency=1, **callbacks)
    ingestion = host.submit([1, 2, 3, 4], "HIGH")
    clock.advance(10)
    host.ingestion.processor(work)
    host.ingestion.start()
    host.finished(ingestion.id)
    return host


def test_the_interval_is_the_one_in_force(serve: Serve) -> None:
    host = serve(interval=10, rate_most=2)
    assert value(host, "ingestion_interval_seconds") == 10
    assert host.client.post("/queue/rate", json={"interval": 5}).status_code == 200
    assert value(host, "ingestion_interval_seconds") == 5
    assert value(host, "ingestion_configured_interval_seconds") == 10
    host.submit([1])
    host.store.slow_down(claimed(host.store)[0])
    assert value(host, "ingestion_interval_seconds") == value(host, "ingestion_slowed_to_seconds") == 10
    host.client.post("/queue/rate/reset")
    assert value(host, "ingestion_interval_seconds") == 10


def test_waits_and_durations_are_measured(serve: Serve) -> None:
    host = measured(serve)
    assert value(host, "ingestion_batch_duration_seconds_sum", outcome="completed") == pytest.approx(4)
    assert value(host, "ingestion_batch_duration_seconds_bucket", outcome="completed", le="1.0") == 0
    assert value(host, "ingestion_batch_duration_seconds_bucket", outcome="completed", le="2.5") == 2
    assert value(host, "ingestion_batch_wait_seconds_sum", priority="HIGH") == pytest.approx(10 + 12)
    assert value(host, "ingestion_estimate_error_seconds", statistic="mean") > 0


def test_the_state_of_the_queue_is_read_at_the_scrape(host: Host) -> None:
    host.app.testing = False
    host.submit(range(1, 8), "LOW")
    assert not scrape(host)["ingestion_drain_seconds"].samples  # nobody works
    host.store.claim(1)
    host.clock.advance(7)
    worked_elsewhere(host.store)
    assert value(host, "ingestion_waiting_batches", priority="LOW") == 2
    assert value(host, "ingestion_waiting_batches", priority="HIGH") == 0
    assert value(host, "ingestion_oldest_wait_seconds", priority="LOW") == 7
    assert value(host, "ingestion_oldest_wait_seconds", priority="HIGH") == 0
    assert value(host, "ingestion_drain_seconds", priority="LOW") == 5
    assert value(host, "ingestion_running_batches") == 1
    assert value(host, "ingestion_last_dispatch_timestamp_seconds") == START
    assert value(host, "ingestion_interval_seconds") == 5
    assert value(host, "ingestion_paused") == 0
    host.ingestion.pause()
    assert value(host, "ingestion_paused") == 1
    assert "ingestion_drain_seconds" in scrape(host)
    assert not scrape(host)["ingestion_drain_seconds"].samples


def test_what_is_paused_is_told_apart_from_the_whole(host: Host) -> None:
    worked_elsewhere(host.store)
    host.submit(range(1, 8), "LOW")
    host.submit([1], "HIGH", owner="ann")
    host.ingestion.pause(priority="LOW")
    host.ingestion.pause(owner="ann")
    assert value(host, "ingestion_paused") == 0
    assert value(host, "ingestion_paused_priority", priority="LOW") == 1
    assert value(host, "ingestion_paused_priority", priority="HIGH") == 0
    assert value(host, "ingestion_paused_callers") == 1
    assert [value(host, "ingestion_parked_batches", priority=name) for name in ("HIGH", "MEDIUM", "LOW")] == [1, 0, 3]
    drained = scrape(host)["ingestion_drain_seconds"].samples
    assert [sample.labels["priority"] for sample in drained] == ["MEDIUM"]


def test_the_worker_is_up_while_it_dispatches_and_absent_where_it_should_not(host: Host) -> None:
    assert "ingestion_worker_up" not in scrape(host)
    host.ingestion.start()
    assert value(host, "ingestion_worker_up") == 1


def test_a_store_that_is_away_is_told_and_does_not_fail_the_scrape(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(host.store, "stats", away)
    assert value(host, "ingestion_store_up") == 0
    assert "ingestion_waiting_batches" not in scrape(host)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"data": "{", "content_type": "application/json"}, "malformed"),
        ({"data": "x", "content_type": "text/plain"}, "media_type"),
        ({"data": "[" + "1," * 70_000, "content_type": "application/json"}, "too_large"),
        ({"json": {"ids": [1], "priority": "URGENT"}}, "invalid"),
        ({"json": {"ids": [1], "priority": "LOW"}, "headers": {"Idempotency-Key": ""}}, "invalid"),
        ({"json": {"ids": [1], "priority": "LOW", "deadline": 0.5}}, "deadline"),
        ({"json": {"ids": [1, 2, 3], "priority": "LOW"}, "headers": {"Idempotency-Key": "used"}}, "key_reused"),
        ({"json": {"ids": [1, 2], "priority": "LOW"}}, "backlog"),
    ],
)
def test_a_refusal_is_counted_by_its_reason(serve: Serve, request_: dict[str, Any], reason: str) -> None:
    host = serve(max_ids=3, max_pending=1)
    host.submit([1, 2, 3], "HIGH", key="used")
    if reason == "deadline":
        host.store.claim(1)
    assert host.client.post("/ingest", **request_).status_code >= 400
    counted = {
        sample.labels["reason"]: sample.value
        for sample in scrape(host)["ingestion_rejections"].samples
        if sample.name.endswith("_total") and sample.value
    }
    assert counted == {reason: 1}


def test_a_quota_is_a_reason_of_its_own(serve: Serve) -> None:
    callers = Callers(("one", Role.SUBMIT))
    host = serve(api_keys=callers.keys, key_quota=1)
    for code in (200, 429):
        response = host.client.post("/ingest", json={"ids": [1], "priority": "LOW"}, headers=callers.headers("one"))
        assert response.status_code == code
    text = host.client.get("/metrics", headers=callers.headers("one")).text
    assert 'ingestion_rejections_total{queue="ingest",reason="quota"} 1.0' in text
    assert host.client.get("/metrics").status_code == 401


def test_instances_on_one_app_are_counted_apart(host: Host) -> None:
    host.app.config["TWO_AUTOSTART"] = False
    two = IngestionAPI(name="two")
    two.init_app(host.app, url_prefix="/two", clock=host.clock)
    two.submit([1], "HIGH")
    assert value(host, "ingestion_submissions_total", priority="HIGH") == 0
    (one,) = [s for s in scrape(host, "/two/metrics")["ingestion_submissions"].samples if s.value == 1]
    assert one.labels == {"queue": "two", "priority": "HIGH"}


def test_names_keep_to_the_rules_of_prometheus(serve: Serve) -> None:
    host = busy(serve)
    families = scrape(host)
    assert len(families) > 15
    for name, family in families.items():
        assert re.fullmatch(r"ingestion(_[a-z]+)+", name)
        assert family.documentation.endswith(".")
        assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
        if family.type == "histogram":
            assert name.endswith(UNITS)
        for sample in family.samples:
            assert sample.labels.keys() <= LABELS
            assert sample.labels["queue"] == "ingest"
            assert not any(
                re.search(r"\d", text) for label, text in sample.labels.items() if label not in ("le", "statistic")
            )
            if family.type == "counter":
                assert sample.name == f"{name}_total"


def test_open_metrics_is_given_to_who_asks_for_it(host: Host) -> None:
    response = host.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.content_type.startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics.text_string_to_metric_families(response.text)} >= {
        "ingestion_submissions"
    }


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here; Debian has it in the package prometheus"
)
def test_promtool_finds_nothing(serve: Serve) -> None:
    text = busy(serve).client.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_extra_it_says_which_one(serve: Serve) -> None:
    with absent("prometheus_client"):
        response = serve().client.get("/metrics")
    assert response.status_code == 501
    assert "Flask-Ingestion[metrics]" in response.json["detail"]


# -- the files for those who run it --


def test_the_documents_speak_of_what_there_is_and_of_all_of_it(serve: Serve) -> None:
    families = scrape(busy(serve)) | scrape(measured(serve)) | scrape(serve(fresh=0))
    known = {f"{name}_total" if family.type == "counter" else name for name, family in families.items()}
    samples = {sample.name for family in families.values() for sample in family.samples} | known
    rows = re.findall(r"^\| `(ingestion_\w+)` \| (\w+) \|", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == known
    assert {families[name.removesuffix("_total")].type for name, kind in rows if kind == "counter"} == {"counter"}
    for file in ("alerts.yml", "grafana.json"):
        named = set(re.findall(r"\bingestion_\w+", (DOCS / file).read_text()))
        assert len(named) > 8
        assert named <= samples, file
    # The last of these is the dashboard's, which leaves nothing out.
    assert known - {name.removesuffix("_bucket") for name in named} == set()


def test_every_reason_that_is_documented_exists_and_the_other_way_round(host: Host) -> None:
    (row,) = [
        line for line in (DOCS / "operations.md").read_text().splitlines() if "`ingestion_rejections_total`" in line
    ]
    there = {sample.labels["reason"] for sample in scrape(host)["ingestion_rejections"].samples}
    assert set(re.findall(r"`(\w+)`", row)) - {"ingestion_rejections_total"} == there


def test_every_alert_says_what_it_means_and_why_it_matters() -> None:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    assert len(group["rules"]) > 10
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


def test_the_alert_on_failed_callbacks_names_each_way_to_fail() -> None:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    (rule,) = [one for one in group["rules"] if one["alert"] == "IngestionCallbacksFailed"]
    assert "for a day, or once that they are gone (410)" in rule["annotations"]["description"]


def test_the_dashboard_asks_only_the_chosen_queue() -> None:
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 15
    for expression in expressions:
        assert expression.count("ingestion_") == expression.count('{queue=~"$queue",instance=~"$instance"')
    assert all(panel["description"] for panel in dashboard["panels"])


@needs_promtool
def test_promtool_accepts_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(DOCS / "alerts.yml")], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


@needs_promtool
def test_a_queue_without_a_worker_is_alerted_after_five_minutes(tmp_path: Path) -> None:
    fires = 'ALERTS{alertname="IngestionNoWorker", alertstate="firing", queue="ingest", severity="critical"}'
    workers = {"series": 'ingestion_workers{queue="ingest"}', "values": "1x5 0x10"}
    check_alert(tmp_path, fires, {"10m": 0, "11m": 1}, workers)


@needs_promtool
def test_calls_that_all_fail_are_alerted_before_many_batches_have(tmp_path: Path) -> None:
    fires = 'ALERTS{alertname="IngestionNoAnswers", alertstate="firing", queue="ingest", severity="critical"}'
    count = "ingestion_batch_duration_seconds_count"
    counted = [
        {"series": f'{count}{{queue="ingest", outcome="completed"}}', "values": "0+6x10 60x10 60+1x10"},
        {"series": f'{count}{{queue="ingest", outcome="failed"}}', "values": "0+2x40"},
        {"series": f'{count}{{queue="ingest", outcome="retried"}}', "values": "0+6x40"},
    ]
    check_alert(tmp_path, fires, {"10m": 0, "19m": 1, "23m": 0}, *counted)


def check_alert(folder: Path, fires: str, when: dict[str, int], *series: dict[str, str]) -> None:
    """Fails unless the sample `fires` is there at the moments of `when` with a 1, with one scrape a minute."""
    up = {"series": 'ingestion_store_up{queue="ingest"}', "values": "1x40"}
    told = [
        {"expr": fires, "eval_time": moment, "exp_samples": [{"labels": fires, "value": 1}] * count}
        for moment, count in when.items()
    ]
    test = {"interval": "1m", "input_series": [*series, up], "promql_expr_test": told}
    rules = folder / "test.yml"
    rules.write_text(json.dumps({"rule_files": [str(DOCS / "alerts.yml")], "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(rules)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
