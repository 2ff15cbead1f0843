"""The page that shows the API's description, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .site import Site


def test_the_reference_works_offline_under_its_policy(page: Any, new_site: Callable[..., Site]) -> None:
    site = new_site()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    root = site.url.removesuffix("dashboard")
    page.goto(f"{root}docs")
    page.click("#operations-default-submit")
    page.click("text=Try it out")
    page.click("button.execute")
    page.wait_for_selector(".live-responses-table .response-col_status:has-text('200')")
    (ingestion,) = site.service.store.ingestions()
    assert ingestion.id_count == 3
    assert all(url.startswith((root, "data:")) for url in asked)
