"""Every setting is read and checked once, and an error names the key."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from hypothesis import assume, given
from hypothesis import strategies as st

from app import ConfigError, IngestionAPI, create_app
from app.config import Settings

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}

NUMBERS = [name for name, field in FIELDS.items() if type(field.default) in (int, float)]
WHOLE = [name for name in NUMBERS if type(FIELDS[name].default) is int]
FLAGS = [name for name, field in FIELDS.items() if type(field.default) is bool]
TEXTS = [name for name, field in FIELDS.items() if type(field.default) is str]

BOUNDS = {
    "interval": (0, None),
    "burst": (1, 1000),
    "batch_size": (1, 10_000),
    "concurrency": (1, 1000),
    "priority_aging": (0, None),
    "upstream_max_body": (1, None),
    "max_attempts": (1, 1_000_000),
    "backoff_max": (5, None),
    "max_ids": (1, None),
    "max_pending": (0, None),
    "max_backlog_seconds": (0, None),
    "id_min": (-(2**63), 2**63 - 1),
    "id_max": (1, 2**63 - 1),
    "retention": (0, None),
    "dispatch_log": (1, 1_000_000),
    "shutdown_grace": (0, None),
    "port": (0, 65_535),
    "threads": (1, 1000),
    "key_quota": (0, None),
}


def read(name: str, value: Any, prefix: str = "INGEST_") -> Any:
    return getattr(Settings.read({f"{prefix}{name.upper()}": value}, prefix), name)


def bad_values() -> list[Any]:
    """One case for each setting and each kind of wrong value."""
    cases: list[Any] = []
    for name in FIELDS:
        cases.append((name, object()))
    for name in NUMBERS:
        cases += [(name, value) for value in ("", "many", None, True, [], float("nan"), "inf", 10**400)]
    for name in WHOLE:
        cases += [(name, value) for value in (1.5, 2.0, "1.5", "1e3")]
    for name in FLAGS:
        cases += [(name, value) for value in ("", "maybe", None, 2)]
    for name in TEXTS:
        cases += [(name, value) for value in (None, 7, b"bytes")]
    for name in ("upstream_timeout", "process_timeout", "lease"):
        cases += [(name, value) for value in (0, -1)]
    for name, (least, most) in BOUNDS.items():
        cases += [(name, least - 1)] + ([] if most is None else [(name, most + 1)])
    return [pytest.param(name, value, id=f"{name}={value!r:.20}") for name, value in cases]


@pytest.mark.parametrize(("name", "value"), bad_values())
def test_a_bad_value_names_its_key(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"\bTWO_{name.upper()}\b"):
        read(name, value, "TWO_")


def test_a_port_that_kubernetes_sets_is_told_as_such() -> None:
    injected = {"INGEST_SERVICE_HOST": "10.0.0.1", "INGEST_SERVICE_PORT": "80", "INGEST_PORT_80_TCP_PORT": "80"}
    with pytest.raises(ConfigError) as caught:
        Settings.read({**injected, "INGEST_PORT": "tcp://10.0.0.1:80"})
    assert str(caught.value) == (
        "INGEST_PORT must be a whole number from 0 to 65535, not 'tcp://10.0.0.1:80'; Kubernetes sets it for a Service "
        "named ingest: rename that, or set enableServiceLinks: false."
    )
    with pytest.raises(ConfigError, match=r"from 0 to 65535, not 'http'\.$"):
        Settings.read({"INGEST_PORT": "http"})


@pytest.mark.parametrize("name", FIELDS)
def test_it_says_what_would_be_right(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(name, object())
    assert FIELDS[name].metadata["parse"].__doc__ in str(caught.value)


@pytest.mark.parametrize(("name", "least", "most"), [(name, *bounds) for name, bounds in BOUNDS.items()])
def test_the_bounds_themselves_are_right(name: str, least: int, most: int | None) -> None:
    assert read(name, least) == least
    if most is not None:
        assert read(name, most) == most


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_come_as_text_from_the_environment(name: str) -> None:
    default = FIELDS[name].default
    assert read(name, f" {default} ") == default
    assert type(read(name, str(default))) is type(default)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(
    ("text", "flag"),
    [(text, True) for text in ("1", "true", "YES", "on", 1, True, " True ")]
    + [(text, False) for text in ("0", "false", "No", "off", 0, False)],
)
def test_a_flag_may_come_as_a_word(name: str, text: Any, flag: bool) -> None:
    made = Settings.read({f"INGEST_{name.upper()}": text, "INGEST_FRESH": 1})  # one of them needs it
    assert getattr(made, name) is flag


def test_without_any_key_there_are_the_defaults() -> None:
    assert Settings.read({}) == Settings()
    assert Settings.read({"SECRET_KEY": "x", "TWO_INTERVAL": "never", "INGEST": 1}) == Settings()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"INGEST_ID_MIN": 9, "INGEST_ID_MAX": 8}, r"INGEST_ID_MIN \(9\) must not be above INGEST_ID_MAX \(8\)"),
        ({"INGEST_BACKOFF": 700}, r"INGEST_BACKOFF \(700\) must not be above INGEST_BACKOFF_MAX \(600\)"),
        (
            {"INGEST_PROCESSOR": "a:b", "INGEST_UPSTREAM_URL": "http://x/{id}"},
            "INGEST_PROCESSOR and INGEST_UPSTREAM_URL are both set",
        ),
        ({"INGEST_FAIR_WEIGHTS": "web:4"}, "INGEST_FAIR_WEIGHTS needs INGEST_FAIR=1"),
        ({"INGEST_INTERVALL": 5}, "INGEST_INTERVALL is not a setting; did you mean INGEST_INTERVAL"),
        ({"INGEST_FRESH_SHARED": 1}, "INGEST_FRESH_SHARED needs INGEST_FRESH, without which no answer is kept"),
        ({"INGEST_INTREVAL": 60}, "INGEST_INTREVAL is not a setting; did you mean INGEST_INTERVAL"),
        ({"INGEST_BRUST": 2}, "did you mean INGEST_BURST"),
        ({"INGEST_MAX_ATTEMPT": 5}, "did you mean INGEST_MAX_ATTEMPTS"),
        ({"INGEST__STORE": "memory://"}, "INGEST__STORE is not a setting; did you mean INGEST_STORE"),
    ],
)
def test_what_does_not_fit_together_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Settings.read(config)


def test_weights_may_come_as_text_or_as_a_mapping() -> None:
    weights = (("nightly", 1), ("we:b", 4))
    assert read_weights(" nightly:1, we:b:4,") == read_weights({"nightly": 1, "we:b": "4"}) == weights
    assert read_weights(weights) == weights


def read_weights(value: Any) -> Any:
    return Settings.read({"INGEST_FAIR": 1, "INGEST_FAIR_WEIGHTS": value}).fair_weights


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("web", "'web' names no caller"),
        (":4", "':4' names no caller"),
        ("web:4,web:1", "'web' is there twice"),
        ("web:0", "the weight of 'web' is '0'"),
        ("web:101", "the weight of 'web' is '101'"),
        ("web:1.5", "the weight of 'web' is '1.5'"),
        ({"web": True}, "the weight of 'web' is True"),
    ],
)
def test_wrong_weights_are_refused_by_name(value: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=f"INGEST_FAIR_WEIGHTS must be callers with whole numbers.*{says}"):
        read_weights(value)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.data(),
    st.sampled_from(["replaced", "added", "left out", "turned"]),
    st.sampled_from(["INGEST_", "GEO_"]),
)
def test_one_letter_that_is_wrong_stops_the_start(name: str, data: st.DataObject, slip: str, prefix: str) -> None:
    right = name.upper()
    place = data.draw(st.integers(0, len(right) - 2))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"))
    wrong = {
        "replaced": right[:place] + letter + right[place + 1 :],
        "added": right[:place] + letter + right[place:],
        "left out": right[:place] + right[place + 1 :],
        "turned": right[:place] + right[place + 1] + right[place] + right[place + 2 :],
    }[slip]
    assume(wrong.lower() not in FIELDS)
    assume(slip != "replaced" or len(right) > 5)
    with pytest.raises(ConfigError, match=rf"^{prefix}{wrong} is not a setting; did you mean {prefix}"):
        Settings.read({f"{prefix}{wrong}": 1}, prefix)


@pytest.mark.parametrize("name", ["FILE", "POST", "SCORE", "FAIL", "FULL"])
def test_a_short_word_of_its_own_is_no_slip(name: str) -> None:
    assert Settings.read({f"INGEST_{name}": 1}) == Settings()


def test_keys_of_something_else_under_the_prefix_are_left_alone() -> None:
    assert Settings.read({"INGEST_UI_COLOUR": "red", "INGEST_TWO_INTERVAL": "x"}) == Settings()


OTHERS = {
    "INGEST_UI_COLOUR": "red",
    "INGEST_TABLE": "ids",
    "INGEST_EU_INTERVAL": 3,  # of an instance ingest_eu
    "INGEST_URL": "http://localhost:8000",
    "INGEST_KEY": "hush",
    "INGEST_PROFILE": "live",
    "GEO_COLOUR": "blue",
    "COLOUR": "green",
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "not read" in one.getMessage()]


def test_what_nothing_reads_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("host")
    app.config.update(OTHERS, TESTING=True, INGEST_INTERVAL=1)
    IngestionAPI(app)
    told = "not read, because no setting is called so: INGEST_TABLE, INGEST_UI_COLOUR"
    assert warnings(caplog) == [told]
    caplog.clear()
    IngestionAPI(app, name="geo", url_prefix="/geo")
    assert warnings(caplog) == ["not read, because no setting is called so: GEO_COLOUR"]
    caplog.clear()
    monkeypatch.setenv("INGEST_TABLE", "ids")
    create_app({"INGEST_AUTOSTART": 0, "INGEST_UI_COLOUR": "red"})
    assert warnings(caplog) == [told]


def test_so_is_what_no_queue_of_several_reads(caplog: pytest.LogCaptureFixture) -> None:
    create_app({**OTHERS, "TESTING": True, "INGEST_QUEUES": "geo", "INGEST_STORE": "memory://", "INGEST_THREADS": 2})
    assert warnings(caplog) == [
        "not read, because no setting is called so: INGEST_TABLE, INGEST_UI_COLOUR",
        "not read, because no setting is called so: GEO_COLOUR",
    ]


BARE = """
import dataclasses
from app.config import ConfigError, Settings
for field in dataclasses.fields(Settings):
    try:
        Settings.read({f"INGEST_{field.name.upper()}": object()})
    except ConfigError as error:
        print(str(error).partition(" must be ")[2])
"""


def test_what_would_be_right_is_said_without_docstrings_too() -> None:
    done = subprocess.run([sys.executable, "-OO", "-c", BARE], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(FIELDS)
    for line, field in zip(said, FIELDS.values(), strict=True):
        assert line.startswith(field.metadata["parse"].__doc__)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("INGEST_INTERVAL", "fast"),
        ("INGEST_STORE", "floppy://a"),
        ("INGEST_PROCESSOR", "no.such.module:name"),
        ("INGEST_PROCESSOR", "app.processors:nothing"),
        ("INGEST_PROCESSOR", "app.processors"),
        ("INGEST_UPSTREAM_URL", "http://example.org/"),
    ],
)
def test_a_bad_setting_stops_the_start_by_name(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=key):
        create_app({key: value})
    app = Flask("host")
    app.config[key] = value
    with pytest.raises(ConfigError, match=key):
        IngestionAPI(app)
    assert "ingest" not in app.extensions
    monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError, match=key):
        create_app()


def test_the_standalone_service_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_AUTOSTART", "off")
    monkeypatch.setenv("INGEST_INTERVAL", "2.5")
    monkeypatch.setenv("INGEST_BATCH_SIZE", "7")
    settings = create_app({"INGEST_BATCH_SIZE": 8}).extensions["ingest"].settings
    assert (settings.interval, settings.batch_size) == (2.5, 8)


def test_a_key_in_the_upstreams_address_is_not_shown() -> None:
    assert "hush" not in repr(Settings.read({"INGEST_UPSTREAM_URL": "http://upstream.test/{id}?key=hush"}))
    with pytest.raises(ConfigError) as refused:
        Settings.read({"INGEST_UPSTREAM_URL": ["http://upstream.test/{id}?key=hush"]})
    assert str(refused.value) == "INGEST_UPSTREAM_URL must be text."
