"""What tools/links.py finds wrong with a site."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.links import faults

PAGE = '<html><body id="start"><h1 id="one">One</h1>{}</body></html>'


@pytest.mark.parametrize(
    "body",
    [
        '<a href="#one">',
        '<a href="other.html#one">',
        '<a href="file.txt">',
        '<a href="https://example.org/a#b">',
        '<a href="http://localhost:8000/dashboard">',
        '<img src="file.txt"><link rel="stylesheet" href="file.txt">',
    ],
)
def test_a_sound_page_has_no_fault(tmp_path: Path, body: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "other.html").write_text(PAGE.format(""))
    (tmp_path / "page.html").write_text(PAGE.format(body))
    assert list(faults(tmp_path)) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">', "page.html links to gone.html, which is not there"),
        ('<a href="#gone">', "page.html links to #gone, which has no such heading"),
        ('<a href="https://example">', "page.html links to https://example, which is no address"),
        ('<a href="htp://example.org">', "page.html links to htp://example.org, which is no address"),
        ('<script src="https://example.org/a.js">', "page.html loads https://example.org/a.js"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "page.html loads //example.org/a.css"),
        ('<img src="gone.png">', "page.html links to gone.png, which is not there"),
    ],
)
def test_a_fault_is_named_with_its_page(tmp_path: Path, body: str, fault: str) -> None:
    (tmp_path / "page.html").write_text(PAGE.format(body))
    assert list(faults(tmp_path)) == [fault]


def test_a_style_sheet_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a { background: url(https://example.org/a.png) } b { src: url(own.woff) }")
    assert list(faults(tmp_path)) == ["a.css loads url(https://example.org/a.png"]
