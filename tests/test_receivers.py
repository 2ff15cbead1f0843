"""Whom a callback may name: nobody inside can be reached by a trick of the URL."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.receivers import address_of, parse_hosts, parse_secrets, parse_url

HOSTS = parse_hosts("hooks.example.org, Other.Example.org:8443, [::1]:9000")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/in?key=1",
        "http://hooks.example.org",
        "https://HOOKS.example.org:443/",
        "http://hooks.example.org:80?x",
        "https://other.example.org:8443/#part",
        "http://other.example.org:8443/",
        "http://[::1]:9000/",
    ],
)
def test_a_host_that_is_listed_is_allowed(url: str) -> None:
    assert address_of(url).is_among(HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "https://evil.hooks.example.org/",
        "https://hooks.example.org.evil.org/",
        "https://hooks.example.org./",
        "https://hooks.example.org:444/",
        "http://hooks.example.org:443/",
        "https://other.example.org/",
        "http://[::1]/",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_any_other_host_or_port_is_not(url: str) -> None:
    assert not address_of(url).is_among(HOSTS)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hooks.example.org/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("hooks.example.org/in", "http:// or https://"),
        ("//hooks.example.org/in", "http:// or https://"),
        ("javascript:alert(1)", "http:// or https://"),
        ("http:///in", "name a host"),
        ("http://hooks.example.org:0/", "name a host"),
        ("http://hooks.example.org:65536/", "name a host"),
        ("http://hooks.example.org:8_0/", "name a host"),
        ("http://hooks.example.org\\.evil.org/", "name a host"),
        ("http://hooks.example.org%2eevil.org/", "name a host"),
        ("https://user@hooks.example.org/", "user or a password"),
        ("https://user:word@hooks.example.org/", "user or a password"),
        ("https://hooks.example.org@evil.org/", "user or a password"),
        ("https://hooks.example.org\\@evil.org/", "user or a password"),
        ("https://hooks.example.org\t.evil.org/", "printable"),
        ("https://hooks.example.org/a b", "printable"),
        ("https://hooks.example.org/\r\nX: 1", "printable"),
        ("https://hooks.example.org/ä", "printable"),
        ("https://hooks.example.org/" + "x" * 2000, "at most 2000"),
    ],
)
def test_what_is_no_address_says_why_and_is_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        address_of(url)
    assert "evil" not in str(caught.value)


@given(st.text(max_size=50))
def test_whatever_is_given_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"https://hooks.example.org{text}"):
        with suppress(ValueError):
            address = address_of(url)
            assert url.isascii()
            assert address.scheme in ("http", "https")
            assert not address.is_among(HOSTS) or url.startswith("https://hooks.example.org")


@pytest.mark.parametrize("value", ["http://hooks.example.org", "a b", "a:0", "a:b", "user@a", "a/b", [7.5, "a b"], 7])
def test_what_is_no_list_of_hosts_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_hosts(value)


@pytest.mark.parametrize("size", [23, 65, 0])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=rf"it holds {size} bytes"):
        parse_secrets(f"whsec_{base64.b64encode(bytes(size)).decode()}")


@pytest.mark.parametrize("value", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_ä", "whsec_-_-_", b"bytes", 7])
def test_what_is_no_secret_is_refused_and_not_repeated(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        parse_secrets(value)
    assert "MfKQ" not in str(caught.value)


def test_nothing_is_nobody() -> None:
    assert (parse_url(" "), parse_hosts(""), parse_secrets("")) == ("", (), ())
