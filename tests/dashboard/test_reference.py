"""The page that shows the API's description: what is on it, and how it works in a browser."""

from __future__ import annotations

import html
import itertools
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.keys import Role
from app.web.examples import INGESTION, SWEEP
from tests.support.host import Host
from tests.support.web import Callers
from tests.support.work import work_of

from .site import Site

CALLERS = Callers(("operator", Role.OPERATE))


@pytest.fixture
def client() -> FlaskClient:
    return Host(name="two", url_prefix="/in", autostart=False).client


def commands(page: str) -> dict[str, str]:
    """The command of each operation's example."""
    found = re.findall(r'<article class="card" id="(\w+)".*?<pre><code>(.*?)</code></pre>', page, re.DOTALL)
    return {name: html.unescape(command) for name, command in found if command.startswith("curl")}


def run(client: FlaskClient, command: str) -> TestResponse:
    """Send what curl would send."""
    words = shlex.split(command)
    assert words[:2] == ["curl", "-i"]
    method, body, headers = "GET", None, {}
    (url,) = (word for word in words if word.startswith("http://localhost/in/"))
    for option, value in itertools.pairwise(words):
        if option == "-X":
            method = value
        elif option == "-d":
            body = value
        elif option == "-H":
            name, _, text = value.partition(": ")
            headers[name] = text.replace("$KEY", CALLERS.texts["operator"])
    return client.open(url, method=method, data=body, headers=headers)


def test_each_operation_has_its_group_its_words_and_its_answers(client: FlaskClient) -> None:
    page, document = client.get("/in/docs").text, client.get("/in/openapi.json").json
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
    for tag in document["tags"]:
        assert f"{tag['name']} {tag['description']}" in text
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            about = " ".join(operation["description"].replace("`", "").split())
            assert f"{operation['summary']} {method.upper()} {path} {about}" in text
            assert f'<a href="#{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page


@pytest.mark.parametrize("settings", [{}, {"api_keys": CALLERS.keys}], ids=["open", "keyed"])
def test_the_command_of_each_operation_does_what_is_described(settings: dict[str, Any]) -> None:
    client = Host(url_prefix="/in", autostart=False, **settings).client
    document = client.get("/in/openapi.json").json
    operations = {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}
    found = commands(client.get("/in/docs").text)
    assert found.keys() == operations.keys()
    for name, command in found.items():
        assert ("$KEY" in command) == ("security" in operations[name])
        answer = run(client, command)
        # Neither ingestion nor sweep of the examples is there, and their key to sign in with is nobody's.
        unknown = {404} if INGESTION in command or SWEEP in command else set()
        refused = {401} if name == "signIn" and settings else set()
        assert answer.status_code in (unknown or refused or {200, 204}), (name, answer.text)


@pytest.mark.parametrize("options", [{"base_url": "https://localhost"}, {"headers": {"X-Forwarded-Proto": "https"}}])
def test_behind_tls_no_command_sends_a_key_in_clear(client: FlaskClient, options: dict[str, Any]) -> None:
    for command in commands(client.get("/in/docs", **options).text).values():
        assert "https://localhost/in/" in command
        assert "http://" not in command.partition(" -d ")[0]


@pytest.mark.parametrize("path", ["/in/docs", "/in/openapi.json"])
def test_to_ask_again_costs_little(path: str) -> None:
    """Neither needs a key, and both take long to make."""
    client = Host(url_prefix="/in", autostart=False, max_ids=123_400 + len(path)).client  # as no other has
    first, again = work_of(lambda: client.get(path)), work_of(lambda: client.get(path))
    assert again < first / 4


def test_each_address_has_commands_of_its_own() -> None:
    client = Host(url_prefix="/in", autostart=False).client
    for number in range(20):
        for root in (f"http://host{number}", f"https://host{number}", f"http://host{number}/mounted"):
            page = client.get("/in/docs", base_url=root).text
            assert set(re.findall(r"https?://host[^ /]*(?:/mounted)?/in/", page)) == {f"{root}/in/"}
            mounted = "/mounted" if root.endswith("/mounted") else ""
            assert f'href="{mounted}/in/openapi.json"' in page


def test_it_runs_no_script_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/in/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self';")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script|\son\w+=|\sstyle=", page.text)
    for source in set(re.findall(r'(?:src|href)="([^"#]+)"', page.text)):
        assert source.startswith("/in/")
        with client.get(source) as response:
            assert response.status_code == 200, source
    for target in re.findall(r'href="#([^"]+)"', page.text):
        assert f'id="{target}"' in page.text, target


@pytest.mark.parametrize("settings", [{}, {"api_keys": CALLERS.keys}], ids=["open", "keyed"])
def test_it_and_the_dashboard_lead_to_each_other_with_or_without_a_key(settings: dict[str, Any]) -> None:
    client = Host(url_prefix="/in", autostart=False, **settings).client
    assert 'href="/in/dashboard"' in client.get("/in/docs").text
    page = client.get("/in/dashboard")
    assert page.status_code == (401 if settings else 200)
    for target in ("docs", "openapi.json"):
        assert f'href="/in/{target}"' in page.text
        assert client.get(f"/in/{target}").status_code == 200


def test_the_keyboard_reaches_every_link_and_example(new_site: Callable[..., Site], page: Any) -> None:
    page.goto(f"{new_site().url.removesuffix('dashboard')}docs")
    wanted = page.locator("a, summary").count()
    for reached in range(wanted):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """[document.activeElement.localName, getComputedStyle(document.activeElement).outlineStyle,
                document.activeElement.textContent]"""
        )
        assert seen[:2] in (["a", "solid"], ["summary", "solid"]), (reached, seen)
        if reached == 0:
            assert seen[2] == "Skip to the content"
    example = page.locator("#getStatus details")
    assert not example.evaluate("one => one.open")
    example.locator("summary").focus()
    page.keyboard.press("Enter")
    assert example.locator("pre").is_visible()
