"""A request that changes something must not come from another site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.errors import ConfigError

HERE = "http://localhost"


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    app = create_app({"INGEST_AUTOSTART": False})
    yield app.test_client()
    app.extensions["ingest"].stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://[broken"},
        {"Origin": "null"},
    ],
)
def test_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/queue/pause", headers=headers)
    assert answer.status_code == 403
    assert answer.mimetype == "application/problem+json"
    assert "another site" in answer.json["detail"]
    assert client.get("/queue").json["paused"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind-a-proxy.example"},
        {"Origin": HERE},
    ],
)
def test_this_site_and_other_clients_pass(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/queue/pause", headers=headers).json["paused"] is True


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://localhost:3000"])
def test_an_origin_that_is_allowed_passes(origin: str) -> None:
    client = create_app(
        {"INGEST_AUTOSTART": False, "INGEST_ALLOWED_ORIGINS": "https://App.example.org:443, http://localhost:3000"}
    ).test_client()
    for site in ({}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/queue/pause", headers={"Origin": origin, **site}).status_code == 200
        assert client.post("/queue/pause", headers={"Origin": f"{origin}.evil.example", **site}).status_code == 403


@pytest.mark.parametrize("value", ["*", "app.example.org", "https://app.example.org/", "ftp://app.example.org", "null"])
def test_what_is_not_an_origin_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError, match="INGEST_ALLOWED_ORIGINS must be origins such as"):
        create_app({"INGEST_ALLOWED_ORIGINS": value})


def test_reading_is_left_alone(client: FlaskClient) -> None:
    assert client.get("/queue", headers={"Sec-Fetch-Site": "cross-site", "Origin": "null"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/ingest", "/quote", "/status/x/cancel", "/status/x/redrive", "/queue/resume", "/queue/rate"]
)
def test_every_change_is_guarded(client: FlaskClient, path: str) -> None:
    assert client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
