"""Checks a built site: every link within it has a target, and nothing is loaded from elsewhere.

    python -m tools.links site

Addresses elsewhere are checked for their form alone, because that needs no network. Where there is one, `sphinx-build
-b linkcheck -c docs . FOLDER` asks each of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOCAL = {"localhost", "127.0.0.1"}
"""Hosts of addresses that work only where the service runs."""

LOADED = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//[^\s"')]+""")
"""What a style sheet loads from elsewhere."""


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif "src" in values or (tag == "link" and values.get("rel") not in ("canonical", "author", "copyright")):
            self.loads.add(values.get("src", values.get("href", "")))


def faults(site: Path) -> Iterator[str]:
    """Yields what is wrong, each with the page it is on."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in sorted(page.links | page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    yield f"{name} loads {link}"
                elif not _well_formed(link):
                    yield f"{name} links to {link}, which is no address"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name} links to {link}, which is not there"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name} links to {link}, which has no such heading"
    for path in sorted(site.rglob("*.css")):
        for found in LOADED.findall(path.read_text()):
            yield f"{path.relative_to(site)} loads {found}"


def _well_formed(link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return "@" in parts.path
    if parts.hostname in LOCAL:
        return parts.scheme == "http"
    return parts.scheme in ("http", "https") and "." in (parts.hostname or "") and " " not in link


def main() -> None:
    found = "\n".join(faults(Path(sys.argv[1]).resolve()))
    sys.exit(found or 0)


if __name__ == "__main__":
    main()
