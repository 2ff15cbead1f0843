"""The pages themselves, each as far as its caller's role allows."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..core import LONGEST_ID, Priority, Status, interval_bounds, limit_bounds, most_burst
from ..errors import StoreUnavailable, UnknownIngestion
from ..keys import Role
from ..service import Service
from ..web import Caller, Guard, needs
from . import data
from .queues import services

_ANY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Page: TypeAlias = "str | tuple[str, int] | AnyResponse"


def add_pages(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the pages; in the place of each, a form asks for a key where there is none."""

    def page(view: Callable[..., Page]) -> Callable[..., Page]:
        """Returns the view with its caller, or with the sign-in form in its place."""

        @needs(None)
        @functools.wraps(view)
        def shown(**values: str) -> Page:
            who = guard.identify()
            return (render("login", None), 401) if who is None else view(who, **values)

        return shown

    def render(view: str, who: Caller | None, **values: Any) -> str:
        role = who.role if who else None
        return render_template(
            f"flask_ingestion/{view}.html",
            view=view,
            name=service.name,
            settings=service.settings,
            queues=[one.name for one in services()],
            api=(request.blueprint or "").rpartition(".")[0],
            caller=who and who.name,
            may_look=role is not None,
            may_submit=role is not None and role >= Role.SUBMIT,
            may_operate=role is not None and role >= Role.OPERATE,
            **values,
        )

    @blueprint.get("", strict_slashes=False)
    @page
    def overview(who: Caller) -> Page:
        callers = sorted({key.name for key in service.settings.api_keys}) if who.role >= Role.OPERATE else ()
        return render(
            "overview",
            who,
            statuses=list(Status),
            priorities=list(Priority),
            callers=callers,
            interval_bounds=interval_bounds(service.settings),
            most_burst=most_burst(service.settings),
            limits=[(one.name, *limit_bounds(one, service.settings)) for one in service.settings.limits],
        )

    @blueprint.get("/queues")
    @page
    def queues(who: Caller) -> Page:
        return render("queues", who)

    @blueprint.get("/failures")
    @page
    def failures(who: Caller) -> Page:
        return render("failures", who, priorities=list(Priority))

    @blueprint.get("/search")
    @page
    def search(who: Caller) -> Page:
        text = request.args.get("id", "").strip()
        # Text around an id, as in a copied address or log line, is ignored.
        whole = _ANY_ID.search(text.lower())
        try:
            if whole and (found := _known(service, whole.group(), who)):
                return redirect(url_for(".ingestion", ingestion_id=found), 303)
            known = data.search(service, text, who.scope)
        except StoreUnavailable:
            return render("search", who, sought=text)
        named = known["ingestions"]
        if known["found"] or len(named) > 1:
            return render("search", who, sought=text)
        if named:
            return redirect(url_for(".ingestion", ingestion_id=named[0]), 303)
        return render("refusal", who, title="No such ingestion or id", why=known["extent"], sought=text), 404

    @blueprint.get("/ingestions/<ingestion_id>")
    @page
    def ingestion(who: Caller, ingestion_id: str) -> Page:
        try:
            found, batch = guard.find(ingestion_id, who)
            service.store.get(found)
        except UnknownIngestion as error:
            return render("refusal", who, title="No such ingestion", why=str(error), sought=ingestion_id), 404
        except StoreUnavailable:
            # The page itself says so and keeps asking.
            found, batch = ingestion_id, None
        if batch is not None:
            offset = batch - batch % data.BATCHES
            return redirect(url_for(".ingestion", ingestion_id=found, offset=offset, batch=batch + 1), 303)
        return render("ingestion", who, ingestion_id=found, statuses=list(Status), priorities=list(Priority))

    @blueprint.get("/audit")
    @page
    def audit(who: Caller) -> Page:
        if who.role < Role.OPERATE:
            return render("refusal", who, title="Not allowed", why=f"The key of {who.name} does not operate."), 403
        return render("audit", who)

    @blueprint.get("/submit")
    @page
    def submit(who: Caller) -> Page:
        if who.role < Role.SUBMIT:
            why = f"The key of {who.name} may look, but not submit."
            return render("refusal", who, title="Not allowed", why=why), 403
        return render("submit", who, priorities=list(Priority), longest=LONGEST_ID)


def _known(service: Service, text: str, who: Caller) -> str | None:
    """Returns the id of an ingestion or a batch if there is one."""
    try:
        service.find(text, who.scope)
    except UnknownIngestion:
        return None
    return text
