"""Ids are processed once, and the host's errors, login, CSRF protection, CORS, sessions and tasks stay its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hosts.served import HOSTS, SERVERS, Served
from tests.support.command import Command
from tests.support.host import eventually

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs fork"),
]


def under(first: str) -> pytest.MarkDecorator:
    """Runs a test under each server, under all but the first only in a soak."""
    soak = pytest.mark.soak
    return pytest.mark.parametrize(
        "server", [pytest.param(name, marks=() if name == first else soak) for name in SERVERS]
    )


def test_the_page_starts_the_first_as_these_tests_do() -> None:
    started = " ".join((*SERVERS["waitress"], "with_restx:app")).format(port=8000)
    assert f"/python -m {started}\n" in (HOSTS / "README.md").read_text()


@under("waitress")
def test_the_errors_of_flask_restx_are_its_own(server: str) -> None:
    with Served("with_restx", server) as host:
        host.processes_once()
        gone = host.call("GET", "/api/orders/7")
        assert (gone.status, gone.json) == (410, {"message": "order 7 is gone"})
        nothing = host.call("GET", "/api/nothing")
        assert (nothing.status, nothing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        queued = host.call("POST", "/api/orders/7")
        assert host.wait(queued.json["ingestion"]) == [{"id": 7, "data": {"record": 7}}]
        ours = host.call("GET", "/ingestion/status/nothing")
        assert (ours.status, ours.headers["Content-Type"]) == (404, "application/problem+json")
        below = host.call("GET", "/ingestion/nothing")
        assert (below.status, below.headers["Content-Type"]) == (404, "application/problem+json")
        assert "/orders/{number}" in host.call("GET", "/api/swagger.json").json["paths"]


@under("gunicorn sync")
def test_only_users_of_flask_login_reach_the_queue(server: str) -> None:
    with Served("with_login", server, PASSWORD="open sesame") as host:
        for method, path in (
            ("POST", "/ingestion/ingest"),
            ("GET", "/ingestion/queue"),
            ("GET", "/ingestion/dashboard"),
        ):
            assert host.call(method, path).status == 401, path
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        assert host.call("POST", "/sign-in", "password=wrong", **form).status == 401
        signed_in = host.call("POST", "/sign-in", "password=open+sesame", **form)
        cookie = signed_in.headers["Set-Cookie"].partition(";")[0]
        host.processes_once(Cookie=cookie)
        assert host.call("GET", "/ingestion/dashboard", Cookie=cookie).status == 200


@under("gunicorn gthread")
def test_csrf_tokens_and_the_headers_of_flask_talisman_are_the_hosts(server: str) -> None:
    with Served("with_talisman", server) as host:
        host.processes_once()
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        refused = host.call("POST", "/profile", "name=ada", **form)
        assert (refused.status, "CSRF token is missing" in refused.text) == (400, True)
        assert refused.headers["X-Frame-Options"] == "DENY"
        assert refused.headers["Content-Security-Policy"] == "default-src 'self'; object-src 'none'"
        foreign = host.call(
            "POST", "/ingestion/queue/pause", Origin="https://evil.example", Sec_Fetch_Site="cross-site"
        )
        assert foreign.status == 403
        dashboard = host.call("GET", "/ingestion/dashboard")
        assert (dashboard.status, dashboard.headers["X-Frame-Options"]) == (200, "DENY")
        assert dashboard.headers.get_all("Content-Security-Policy") == ["default-src 'self'; object-src 'none'"]


@under("gunicorn gevent")
def test_flask_cors_says_which_pages_may_read(server: str) -> None:
    frontend, other = "https://app.example.org", "https://evil.example"
    with Served("with_cors", server) as host:
        host.processes_once()
        for path in ("/api/hello", "/ingestion/queue"):
            assert host.call("GET", path, Origin=frontend).headers["Access-Control-Allow-Origin"] == frontend
            assert host.call("GET", path, Origin=other).headers.get("Access-Control-Allow-Origin") is None
        assert host.call("GET", "/internal", Origin=frontend).headers.get("Access-Control-Allow-Origin") is None
        host.processes_once(Origin=frontend, Sec_Fetch_Site="cross-site")
        assert host.call("POST", "/ingestion/queue/pause", Origin=other, Sec_Fetch_Site="cross-site").status == 403
        preflight = host.call("OPTIONS", "/ingestion/ingest", Origin=frontend, Access_Control_Request_Method="POST")
        assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (200, frontend)


@under("granian")
def test_each_batch_has_a_session_of_flask_sqlalchemy(server: str, tmp_path: Path) -> None:
    with Served("with_sqlalchemy", server, DATABASE_URL=f"sqlite:///{tmp_path}/host.db") as host:
        host.wait(host.submit(range(1, 11)))
        assert host.call("GET", "/visits").json == list(range(1, 11))


@under("granian")
def test_signals_are_handed_to_an_event_loop(server: str) -> None:
    with Served("with_asyncio", server) as host:
        host.processes_once()
        eventually(lambda: host.call("GET", "/told").json, "it is told")
        ((_, thread),) = host.call("GET", "/told").json
        assert thread == "loop"


@under("gunicorn gthread")
def test_a_task_of_celery_follows_an_ingestion_and_celery_dispatches_nothing(server: str, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    with Served("with_celery", server, BROKER_FOLDER=str(tmp_path)) as host:
        worker = ("--app", "with_celery:tasks", "worker", "--pool=solo", "--loglevel=INFO", "--without-gossip")
        program = (str(Path(sys.executable).with_name("celery")),)
        with Command(*worker, environ=host.environ, cwd=HOSTS, program=program) as celery:
            celery.wait_for("ready.")
            host.processes_once()
            eventually(lambda: report.exists() and report.read_text().endswith("\n"), "the task has run")
            (line,) = report.read_text().splitlines()
            assert line.endswith(" completed")
            assert len(host.call("GET", "/ingestion/queue").json["workers"]) == 1
