"""Inside somebody else's app."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask, current_app, g

from app import ConfigError, HoldQueue, IngestionAPI, PermanentError, ingestion_accepted, ingestion_finished
from app.core.models import Priority, Status
from app.errors import InvalidRequest, UnknownIngestion
from tests.support.clock import FakeClock
from tests.support.command import ROOT
from tests.support.host import BOUND, SIGNALS, Heard, Host, eventually

Serve = Callable[..., Host]


@pytest.fixture
def stopping() -> Any:
    """Collects what has to be stopped when the test is over."""
    apps: list[Flask] = []
    yield apps.append
    for app in apps:
        for service in list(app.extensions.values()):
            service.stop(0)


def make_app(**config: Any) -> Flask:
    app = Flask("host")
    app.config.update(config)
    return app


class TestOrder:
    def test_as_in_the_readme(self, stopping: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
        app = make_app(CITY="Oslo")
        stopping(app)
        heard = Heard(app)
        ingestion = IngestionAPI()
        ingestion.init_app(app, url_prefix="/ingestion", clock=FakeClock())

        @ingestion.processor
        def fetch(ids: Sequence[int]) -> dict[int, str]:
            return dict.fromkeys(ids, current_app.config["CITY"])

        accepted = ingestion.submit([1, 2, 3], priority="HIGH")
        heard.until_finished(accepted.id)
        assert list(ingestion.results(accepted.id)) == [(1, '"Oslo"'), (2, '"Oslo"'), (3, '"Oslo"')]
        client = app.test_client()
        assert client.get(f"/ingestion/status/{accepted.id}").json["status"] == "completed"
        assert "only simulated" not in caplog.text

    def test_the_decorator_may_come_first(self, stopping: Callable[..., None]) -> None:
        ingestion, app = IngestionAPI(), make_app()
        stopping(app)
        heard = Heard(app)
        ingestion.processor(lambda ids: ["mine"] * len(ids))
        ingestion.init_app(app, clock=FakeClock())
        heard.until_finished(accepted := ingestion.submit([1], "LOW").id)
        assert list(ingestion.results(accepted)) == [(1, '"mine"')]

    def test_the_app_may_come_with_the_object(self, stopping: Callable[..., None]) -> None:
        app = make_app()
        stopping(app)
        ingestion = IngestionAPI(app, name="other", url_prefix="/there")
        assert app.extensions["other"] is ingestion.service
        assert app.test_client().get("/there/livez").status_code == 200

    def test_without_a_processor_ids_are_simulated_and_it_says_so(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = serve()

        def told() -> tuple[bool, list[str]]:
            queue, shown = (host.client.get(path).json for path in ("/queue", "/dashboard/data"))
            return queue.get("simulated", False), [alert["title"] for alert in shown["alerts"]]

        assert "only simulated" not in caplog.text
        ingestion = host.finished(host.submit([7]).id)
        assert "no processor is set for 'ingest': ids are only simulated" in caplog.text
        assert list(host.ingestion.results(ingestion.id)) == [(7, '"processed"')]
        assert told() == (True, ["Work is only simulated"])
        host.ingestion.processor(lambda ids: ids)
        assert told() == (False, [])

    def test_a_decorator_after_the_first_ids_counts_from_then_on(self, serve: Serve) -> None:
        host = serve(interval=0)
        host.finished(host.submit([1]).id)
        host.ingestion.processor(lambda ids: ["mine"] * len(ids))
        ingestion = host.finished(host.submit([2]).id)
        assert list(host.ingestion.results(ingestion.id)) == [(2, '"mine"')]

    def test_with_autostart_off_nothing_starts_by_itself(self, serve: Serve) -> None:
        host = serve(lambda ids: list(ids), autostart=False)
        ingestion = host.submit([1])
        host.client.get("/queue")
        assert host.service.worker.state == "off"
        host.ingestion.start()
        host.finished(ingestion.id)


class TestProcessor:
    def test_it_runs_in_the_hosts_app_context(self, serve: Serve) -> None:
        seen: list[Any] = []
        contexts: list[Any] = []

        def processor(_: Sequence[int]) -> None:
            seen.append(current_app._get_current_object())
            contexts.append(hasattr(g, "used"))
            g.used = True

        host = serve(processor, interval=0)
        torn_down: list[BaseException | None] = []
        host.app.teardown_appcontext(torn_down.append)
        host.finished(host.submit(range(1, 7)).id)
        assert seen == [host.app] * 2
        assert contexts == [False, False], "each batch has a context of its own"
        assert torn_down[:2] == [None, None]

    def test_an_instance_has_one(self, serve: Serve) -> None:
        host = serve(lambda ids: list(ids))
        with pytest.raises(ConfigError, match="'ingest' already has the processor"):
            host.ingestion.processor(lambda ids: list(ids))

    @pytest.mark.parametrize("first", ["decorator", "setting"])
    def test_one_from_the_settings_and_one_decorated_are_too_many(
        self, stopping: Callable[..., None], first: str
    ) -> None:
        app = make_app(INGEST_PROCESSOR="app.processors:simulate")
        stopping(app)
        ingestion = IngestionAPI()
        if first == "setting":
            ingestion.init_app(app)
            with pytest.raises(ConfigError, match="INGEST_PROCESSOR"):
                ingestion.processor(lambda ids: list(ids))
        else:
            ingestion.processor(lambda ids: list(ids))
            with pytest.raises(ConfigError, match="INGEST_PROCESSOR"):
                ingestion.init_app(app)

    def test_one_that_is_async_is_refused(self) -> None:
        async def fetch(_: Sequence[int]) -> None: ...

        with pytest.raises(ConfigError, match="async"):
            IngestionAPI().processor(fetch)  # type: ignore[type-var]

    @pytest.mark.parametrize("teardown", [RuntimeError("of the host"), SystemExit("of the host")], ids=repr)
    def test_a_teardown_that_raises_undoes_no_call(
        self, serve: Serve, teardown: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls: list[Sequence[int]] = []
        raised: list[Exception] = []

        def processor(ids: Sequence[int]) -> Sequence[int]:
            calls.append(ids)
            if raised:
                raise raised.pop()
            return ids

        host = serve(processor, interval=0, backoff=0, max_attempts=2)
        told: list[BaseException | None] = []

        @host.app.teardown_appcontext
        def tear_down(error: BaseException | None) -> None:
            if threading.current_thread().name == "ingest-batch":
                told.append(error)
                raise teardown

        ingestion = host.finished(host.submit([1]).id)
        assert (list(host.ingestion.results(ingestion.id)), calls) == ([(1, "1")], [[1]])
        assert "a teardown of the app's context raised after batch" in caplog.text
        for error in (HoldQueue(0), PermanentError("never"), OSError("not now")):
            raised.append(error)
            ingestion = host.finished(host.submit([2]).id)
            assert error in told, "a teardown is told of what the processor raised"
        assert host.heard.all("failed")[0]["error"] == ("PermanentError", "never")
        assert (host.heard.all("held")[0]["seconds"], host.heard.all("retried")[0]["error"].message) == (0, "not now")


class TestSeveral:
    def test_one_object_serves_several_apps(self, stopping: Callable[..., None]) -> None:
        ingestion = IngestionAPI()
        apps = [make_app(NAME=name, INGEST_BATCH_SIZE=size) for name, size in (("one", 1), ("two", 2))]
        heard = [Heard(app) for app in apps]
        for app in apps:
            stopping(app)
            ingestion.init_app(app, clock=FakeClock())
        ingestion.processor(lambda ids: [current_app.name + current_app.config["NAME"]] * len(ids))
        for app, ears in zip(apps, heard, strict=True):
            with app.app_context():
                accepted = ingestion.submit([1], "HIGH")
                ears.until_finished(accepted.id)
                assert list(ingestion.results(accepted.id)) == [(1, f'"host{app.config["NAME"]}"')]
                assert accepted.batch_size == app.config["INGEST_BATCH_SIZE"]
        with pytest.raises(RuntimeError, match="serves several apps"):
            ingestion.submit([1], "HIGH")

    def test_without_an_app_it_says_what_is_missing(self) -> None:
        with pytest.raises(RuntimeError, match="call init_app first"):
            IngestionAPI().submit([1], "HIGH")

    def test_an_app_that_is_gone_is_forgotten(self) -> None:
        ingestion = IngestionAPI()

        def come_and_go() -> weakref.ref[Flask]:
            app = make_app()
            ingestion.init_app(app)
            ingestion.start()
            ingestion.stop()
            return weakref.ref(app)

        gone = come_and_go()
        gc.collect()
        assert gone() is None
        with pytest.raises(RuntimeError, match="no app yet"):
            ingestion.service  # noqa: B018

    def test_two_names_on_one_app_are_two_queues(self, stopping: Callable[..., None]) -> None:
        app = make_app(INGEST_INTERVAL=1, TWO_INTERVAL=60, TWO_BATCH_SIZE=1, INGEST_AUTOSTART=False)
        stopping(app)
        heard = Heard(app)
        one, two = IngestionAPI(), IngestionAPI(name="two")
        one.init_app(app, url_prefix="/one", clock=FakeClock())
        two.init_app(app, url_prefix="/two", clock=FakeClock())
        one.processor(lambda ids: ["one"] * len(ids))
        two.processor(lambda ids: ["two"] * len(ids))
        assert app.extensions["ingest"] is one.service
        assert app.extensions["two"] is two.service
        assert (one.service.settings.interval, two.service.settings.interval) == (1, 60)
        client = app.test_client()
        response = client.post("/two/ingest", json={"ids": [1], "priority": "HIGH"})
        assert response.headers["Location"] == f"/two/status/{response.json['ingestion_id']}"
        heard.until_finished(response.json["ingestion_id"])
        assert [keywords["name"] for keywords in heard.all("finished")] == ["two"]
        assert client.get(response.headers["Location"]).json["status"] == "completed"
        assert client.get(f"/one/status/{response.json['ingestion_id']}").status_code == 404
        assert list(two.results(response.json["ingestion_id"])) == [(1, '"two"')]
        assert (one.service.worker.state, two.service.worker.state) == ("off", "running")

    def test_the_same_name_twice_is_refused(self, stopping: Callable[..., None]) -> None:
        app, ingestion = make_app(), IngestionAPI()
        stopping(app)
        ingestion.init_app(app)
        for again in (ingestion, IngestionAPI()):
            with pytest.raises(RuntimeError, match="already has an ingestion named 'ingest'"):
                again.init_app(app, url_prefix="/two")

    @pytest.mark.parametrize(("one", "two"), [(None, None), ("/x", "/x/"), (None, "")])
    def test_two_under_one_prefix_are_refused(
        self, stopping: Callable[..., None], one: str | None, two: str | None
    ) -> None:
        app = make_app()
        stopping(app)
        IngestionAPI(app, url_prefix=one)
        with pytest.raises(RuntimeError, match="url_prefix"):
            IngestionAPI(name="two").init_app(app, url_prefix=two)


class TestRoutes:
    @pytest.mark.parametrize(
        ("rule", "method", "ours"),
        [
            ("/ingest", "POST", "/ingest"),
            ("/status/<job>", "GET", "/status/<ingestion_id>"),
            ("/status/<path>", "GET", "/status/<ingestion_id>"),
            ("/status/<uuid:job>", "GET", "/status/<ingestion_id>"),
        ],
    )
    def test_one_of_the_host_in_the_place_of_what_a_queue_needs_is_refused(
        self, rule: str, method: str, ours: str
    ) -> None:
        app = make_app(TESTING=True)
        app.add_url_rule(rule, "mine", lambda **_: "mine", methods=[method])
        said = f"{ours} of 'ingest' and {rule} of this app (endpoint 'mine') would answer the same requests; give "
        with pytest.raises(RuntimeError, match=re.escape(f"{said}'ingest' a url_prefix of its own.")):
            IngestionAPI(app)
        IngestionAPI(app, url_prefix="/ingestion")
        assert app.test_client().get("/ingestion/queue").status_code == 200

    @pytest.mark.parametrize(
        ("rule", "method", "ours"),
        [
            ("/dashboard", "GET", "/dashboard"),
            ("/login", "POST", "/login"),
            ("/metrics", "GET", "/metrics"),
            ("/ids/<int:number>", "GET", "/ids/<any_text:record_id>"),
        ],
    )
    def test_any_other_stays_and_the_log_says_so(
        self, caplog: pytest.LogCaptureFixture, rule: str, method: str, ours: str
    ) -> None:
        app = make_app(TESTING=True)
        app.add_url_rule(rule, "mine", lambda **_: "mine", methods=[method])
        IngestionAPI(app)
        said = f"{ours} of 'ingest' and {rule} of this app (endpoint 'mine') would answer the same requests: the app's"
        assert said in caplog.text
        assert app.test_client().open(rule.replace("<int:number>", "7"), method=method).text == "mine"

    def test_others_stay_the_hosts(self) -> None:
        app = make_app(TESTING=True)
        for number, (rule, method) in enumerate(
            [("/", "GET"), ("/dashboard", "POST"), ("/docs/", "GET"), ("/status", "GET"), ("/<path:page>", "GET")]
        ):
            app.add_url_rule(rule, f"mine{number}", lambda **_: "mine", methods=[method])
        IngestionAPI(app)
        client = app.test_client()
        assert {client.get(path).text for path in ("/", "/docs/", "/status", "/about/us")} == {"mine"}
        assert client.post("/dashboard").text == "mine"
        assert [client.get(path).text == "mine" for path in ("/dashboard", "/docs", "/queue")] == [False] * 3

    def test_one_of_another_subdomain_is_another_place(self) -> None:
        app = Flask("host", subdomain_matching=True)
        app.config.update(TESTING=True, SERVER_NAME="example.org")
        app.add_url_rule("/dashboard", "mine", lambda: "mine", subdomain="admin")
        IngestionAPI(app)
        assert app.test_client().get("/dashboard", base_url="http://admin.example.org").text == "mine"

    def test_the_page_names_the_paths_that_are_taken(self) -> None:
        app = Flask("host", static_folder=None)
        app.config["TESTING"] = True
        IngestionAPI(app)
        taken = sorted({f"/{rule.rule.split('/')[1]}" for rule in app.url_map.iter_rules()})
        page = " ".join((ROOT / "docs" / "embedding.md").read_text().split())
        assert ", ".join(f"`{path}`" for path in taken[:-1]) + f" and `{taken[-1]}`" in page


class TestSignals:
    def test_each_with_its_keywords(self, serve: Serve) -> None:
        outcomes: list[Exception | None] = [OSError("not now"), PermanentError("never"), HoldQueue(9), None]

        def processor(_: Sequence[int]) -> None:
            if outcome := outcomes.pop(0):
                raise outcome

        host = serve(processor, interval=0, concurrency=1, backoff=0, max_pending=2)
        ingestion = host.submit([1, 2, 3, 4])
        with pytest.raises(InvalidRequest):
            host.submit([])
        host.heard.until("held")
        eventually(lambda: host.store.stats().running == 0)
        host.advance(9)
        ingestion = host.finished(ingestion.id)
        heard = dict(host.heard.events)
        assert {word: set(keywords) for word, keywords in heard.items()} == {
            "accepted": {"name", "ingestion"},
            "refused": {"name", "error"},
            "started": {"name", "batch"},
            "retried": {"name", "batch", "attempt", "error", "delay"},
            "failed": {"name", "batch", "attempt", "error"},
            "held": {"name", "batch", "seconds"},
            "completed": {"name", "batch", "attempt"},
            "finished": {"name", "ingestion"},
        }
        work = [word for word, _ in host.heard.events if word not in ("accepted", "refused")]
        assert work == [
            "started",
            "retried",
            "started",
            "failed",
            "started",
            "held",
            "started",
            "completed",
            "finished",
        ]
        assert {keywords["name"] for keywords in heard.values()} == {"ingest"}
        assert heard["retried"]["error"] == ("OSError", "not now")
        assert heard["failed"]["error"] == ("PermanentError", "never")
        assert [heard[word]["batch"].position for word in ("retried", "failed", "held", "completed")] == [0, 0, 1, 1]
        assert heard["held"]["seconds"] == 9
        assert heard["finished"]["ingestion"] == ingestion

    def test_the_sender_is_the_app_and_its_context_is_there(self, serve: Serve) -> None:
        seen: list[tuple[Any, Any]] = []

        def receiver(sender: Any, **_: Any) -> None:
            seen.append((sender, current_app._get_current_object()))

        host, other = serve(interval=0), serve(interval=0)
        with ingestion_finished.connected_to(receiver, sender=host.app):
            other.finished(other.submit([1]).id)
            host.submit([1])
            eventually(lambda: seen)
        assert seen == [(host.app, host.app)]

    @pytest.mark.parametrize("error", [ValueError("a bad ear"), SystemExit("a bad ear"), CancelledError()], ids=repr)
    def test_a_receiver_that_raises_harms_nothing(
        self, serve: Serve, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        def receiver(_: Any, **__: Any) -> None:
            raise error

        outcomes: list[Exception | None] = [OSError("not now"), PermanentError("never"), HoldQueue(0), None]

        def processor(_: Sequence[int]) -> None:
            if outcome := outcomes.pop(0):
                raise outcome

        host = serve(processor, interval=0, concurrency=1, backoff=0)
        for signal in SIGNALS.values():
            signal.connect(receiver, sender=host.app)
        second = Heard(host.app)
        with pytest.raises(InvalidRequest):
            host.submit([])
        ingestion = host.finished(host.submit([1, 2, 3, 4]).id)
        assert (ingestion.counts.failed, ingestion.counts.completed) == (1, 1)
        host.ingestion.pause()
        cancelled = host.submit([9])
        assert host.ingestion.cancel(cancelled.id).status == Status.CANCELLED
        assert host.service.worker.state == "running"
        for word, signal in SIGNALS.items():
            assert f"a receiver of {signal.name} raised" in caplog.text
            assert second.all(word), "the others are told"

    def test_an_interrupt_is_the_callers_once_all_are_told(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        def receiver(_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        host = serve(interval=0)
        first = host.submit([1])
        host.finished(first.id)
        ingestion_accepted.connect(receiver, sender=host.app)
        second = Heard(host.app)
        with pytest.raises(KeyboardInterrupt):
            host.submit([2])
        (accepted,) = second.all("accepted")
        assert host.finished(accepted["ingestion"].id).status == Status.COMPLETED
        assert "a receiver of" not in caplog.text, "whoever it is raised to says so"

    @pytest.mark.parametrize("word", ["completed", "finished"])
    def test_an_interrupt_in_a_workers_thread_is_logged_once(
        self, serve: Serve, word: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def receiver(_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        host = serve(interval=0)
        SIGNALS[word].connect(receiver, sender=host.app)
        host.submit([1])
        eventually(lambda: any(record.exc_info for record in caplog.records))
        host.service.stop(BOUND)
        assert len([record for record in caplog.records if record.exc_info]) == 1


def test_an_ingestion_is_moved_by_the_name_of_a_priority(serve: Callable[..., Host]) -> None:
    host = serve(None)
    host.ingestion.pause()
    made = host.submit([1], "LOW")
    assert host.ingestion.move(made.id, "HIGH", by="ann").priority.name == "HIGH"
    assert host.service.store.audits(1)[0].by == "ann"
    with pytest.raises(InvalidRequest, match='priority must be HIGH, MEDIUM or LOW, not "TOP"'):
        host.ingestion.move(made.id, "TOP")


def test_a_priority_and_a_caller_are_paused_by_name(serve: Callable[..., Host]) -> None:
    host = serve(None)
    host.ingestion.pause("boss", priority="LOW", owner="ann")
    host.ingestion.resume(priority=Priority.LOW)
    assert host.service.store.stats().pauses.kept() == ([], ["ann"])
    assert host.service.store.audits(9)[1].by == "boss"
    with pytest.raises(InvalidRequest, match='priority must be HIGH, MEDIUM or LOW, not "TOP"'):
        host.ingestion.pause(priority="TOP")
    with pytest.raises(InvalidRequest, match="owner must be printable text of 1 to 255 characters"):
        host.ingestion.pause(owner="a\n")


@pytest.mark.parametrize("owner", ["", 5, b"ann", "a\n", "\ud800", "x" * 256])
def test_a_caller_has_a_printable_name(serve: Callable[..., Host], owner: Any) -> None:
    host = serve(None, fair=True)
    with pytest.raises(InvalidRequest, match="owner must be printable text of 1 to 255 characters"):
        host.submit([1], owner=owner)
    for name in ("x" * 255, "Zoë", None):
        assert host.submit([1], owner=name).owner == name


@pytest.mark.parametrize("key", ["", 5, True, b"k", ("k",), [5], "a\0", "\ud800", "x" * 256])
def test_a_key_is_printable_text(serve: Callable[..., Host], key: Any) -> None:
    host = serve(None)
    with pytest.raises(InvalidRequest, match="The idempotency key must be printable text of 1 to 255 characters"):
        host.submit([1], key=key)
    for name in ("x" * 255, "Zürich 2026"):
        assert host.submit([1], key=name).id == host.submit([1], key=name).id


@pytest.mark.parametrize("ids", ["SKU-1", b"SKU-1", 5, None, len])
def test_what_is_no_list_of_ids_is_refused(serve: Callable[..., Host], ids: Any) -> None:
    host = serve(None, id_type="string")
    with pytest.raises(InvalidRequest, match="ids must be an array of strings, not"):
        host.ingestion.submit(ids, "HIGH")
    with pytest.raises(InvalidRequest, match="ids must be an array of strings, not"):
        host.ingestion.quote(ids)
    assert host.ingestion.submit(iter(["SKU-1"]), "HIGH").id_count == 1


@pytest.mark.parametrize("prefix", ["ingestion", "<tenant>", "/<tenant>/q", "q/"])
def test_a_prefix_that_cannot_be_one_is_named(prefix: str) -> None:
    with pytest.raises(
        ConfigError, match=f"url_prefix must start with a slash and have no variable part, not '{prefix}'"
    ):
        IngestionAPI(make_app(TESTING=True), url_prefix=prefix)


def test_an_ingestion_may_be_named_by_a_uuid(serve: Callable[..., Host], tmp_path: Path) -> None:
    for store in ("memory://", f"sqlite:///{tmp_path}/queue.db"):
        host = serve(None, store=store)
        host.ingestion.pause()
        made = host.submit([1])
        named: Any = UUID(made.id)
        assert host.ingestion.get(named).id == host.ingestion.move(named, "LOW").id == made.id
        assert host.ingestion.cancel(named).status == Status.CANCELLED
        for ask in (host.ingestion.get, host.ingestion.redrive, host.ingestion.redrive_callback):
            with pytest.raises(UnknownIngestion):
                ask(uuid4())  # type: ignore[operator]


def test_what_an_ingestion_can_expect_is_told(serve: Callable[..., Host]) -> None:
    host = serve(autostart=False, interval=60)
    now = host.clock.now()
    quote = host.ingestion.quote(iter([1, 2, 3, 4]))
    assert {priority: (one.start, one.completion) for priority, one in quote.items()} == dict.fromkeys(
        Priority, (now, now + 60)
    )
    made = host.submit([1, 2, 3, 4], "LOW")
    ingestion, estimate = host.ingestion.status(made.id)
    assert ingestion == made
    assert estimate is not None
    assert (estimate.batches_ahead, estimate.start, estimate.completion) == (0, now, now + 60)
    host.ingestion.cancel(made.id)
    assert host.ingestion.status(made.id)[1] is None
    with pytest.raises(UnknownIngestion):
        host.ingestion.status("nobody")


def test_the_rate_is_changed_and_reset(serve: Callable[..., Host]) -> None:
    host = serve(None, interval=5, limits="10/min", rate_most=10)

    def rate() -> tuple[float, list[str]]:
        now = host.client.get("/queue").json["rate"]
        return now["interval"], now["limits"]

    host.ingestion.change_rate("boss", interval=1, limits={"10/min": "20/min"})
    assert rate() == (1, ["20/min"])
    assert host.store.audits(1)[0].by == "boss"
    host.ingestion.change_rate(interval=2)
    assert rate() == (2, ["10/min"]), "what is not given is as configured"
    with pytest.raises(InvalidRequest, match=r"interval must be from 0\.5 to 5000 seconds"):
        host.ingestion.change_rate(interval=0.1)
    with pytest.raises(InvalidRequest, match="Say what to change: give at least one of interval, burst, limits"):
        host.ingestion.change_rate()
    host.ingestion.reset_rate()
    assert rate() == (5, ["10/min"])


def test_no_thread_is_left_behind_by_a_stop(serve: Serve) -> None:
    host = serve(lambda ids: list(ids), name="guest")
    host.finished(host.submit([1]).id)
    host.ingestion.stop(BOUND)
    eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("guest-")])
