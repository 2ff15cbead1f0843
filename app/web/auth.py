"""Who calls, and what it may do: by a bearer token (RFC 6750), or by the dashboard's cookie."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Blueprint, Request, Response, current_app, g, request

from ..errors import Fault, InvalidRequest, UnknownIngestion
from ..keys import Role, find_key
from ..service import Service
from .answers import as_json
from .body import parse_request
from .problems import problem
from .query import refuse_unknown
from .request import name_batch, over_tls, root_path
from .requirements import needs, needs_of

logger = logging.getLogger("flask_ingestion")

_WHOLE = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""An ingestion's id in full, which needs no search."""

_LEAST = 8
"""Digits of an id that name an ingestion as a whole: as many as the command line's tables show."""

_NO_DIGIT = re.compile("[^0-9a-fA-F]")


class Caller(NamedTuple):
    """Who sends a request. `name` is None where no keys are configured, and everybody may do everything."""

    name: str | None
    role: Role

    @property
    def scope(self) -> str | None:
        """The owner whose ingestions it sees; None for everybody's."""
        return None if self.role == Role.OPERATE else self.name


ANYBODY = Caller(None, Role.OPERATE)
"""Everybody, where no keys are configured."""


class Guard:
    """Checks the caller of every route of an instance, except static files, which hold nobody's data.

    It also finds what an `ingestion_id` in the path stands for, and hides what belongs to others.
    """

    def __init__(self, service: Service) -> None:
        self.settings = service.settings
        self._service = service
        self._keys = service.settings.api_keys
        self._cookie = f"{service.name}_key"

    @functools.cached_property
    def _views(self) -> Mapping[str, Any]:
        """The views of the app by endpoint; looking at it through Flask's proxy costs 2 % of a status request."""
        return current_app.view_functions

    def check(self, request: Request) -> Response | None:
        """Returns the refusal of a request, or None to let it pass. Raises UnknownIngestion and InvalidRequest."""
        if request.method == "OPTIONS":
            # It tells the methods alone, and a preflight comes without credentials (Fetch, "CORS protocol").
            return None
        arguments = request.view_args
        if not self._keys and not request.query_string and (not arguments or _is_whole(arguments)):
            return None  # for anybody may ask it as it stands
        endpoint = request.endpoint or ""
        needed, members, _, whole = needs_of(self._views[endpoint])
        if needed is None or endpoint.endswith(".static"):
            return None
        if refusal := self.refusal(needed):
            return refusal
        if request.query_string:
            refuse_unknown(request, members)
        if arguments and "ingestion_id" in arguments:
            text = arguments["ingestion_id"]
            arguments["ingestion_id"], batch = self.find(text, self.caller())
            if whole:
                _refuse_part(text, arguments["ingestion_id"], batch)
            if batch is not None:
                name_batch(request, batch)
        return None

    def refusal(self, needed: Role) -> Response | None:
        """Returns the refusal of the current request for want of a role, None where its caller has it."""
        if not self._keys:
            return None
        who = self.identify()
        if who is None:
            return self._who_are_you()
        if who.role < needed:
            return self._not_allowed(who, needed)
        g.ingestion_caller = who
        return None

    def find(self, text: str, who: Caller) -> tuple[str, int | None]:
        """Returns the id of the ingestion that `text` stands for, and a position if it is the id of a batch.

        Raises UnknownIngestion, for another caller's too.
        """
        if not _WHOLE.fullmatch(text):
            return self._service.find(text, who.scope)
        if who.scope is not None and self._service.store.get(text).owner != who.scope:
            raise UnknownIngestion(text)
        return text, None

    def caller(self) -> Caller:
        """Returns who sends the current request, to a route that needs a role."""
        found: Caller = g.ingestion_caller if self._keys else ANYBODY
        return found

    def identify(self) -> Caller | None:
        """Returns who sends the current request, by bearer token or else by cookie; None if neither is a key."""
        return self.holder(self.shown())

    def shown(self) -> str:
        """Returns the key that the current request shows, or what stands in its place; empty if there is nothing."""
        token = _bearer()
        return request.cookies.get(self._cookie, "") if token is None else token

    def holder(self, text: str) -> Caller | None:
        """Returns who holds a key; None if it is none of this instance."""
        if not self._keys:
            return ANYBODY
        key = find_key(self._keys, text)
        return key and Caller(key.name, key.role)

    def sign_in(self, text: str) -> Response:
        """Check a key, and keep it in a cookie that no script can read and no other site can send."""
        if not self._keys:
            return _introduce(ANYBODY)
        key = find_key(self._keys, text)
        if key is None:
            logger.warning("%r: somebody at %s tried to sign in with a wrong key", self._service.name, _address())
            return self._challenge(401, "This is not one of the keys of this service.", error="invalid_token")
        response = _introduce(Caller(key.name, key.role))
        response.set_cookie(self._cookie, text, path=root_path(), secure=over_tls(), httponly=True, samesite="Strict")
        return response

    def sign_out(self) -> Response:
        """Drop the cookie."""
        response = Response(status=204)
        response.delete_cookie(self._cookie, path=root_path(), httponly=True, samesite="Strict")
        return response

    def _who_are_you(self) -> Response:
        if _bearer() is None and self._cookie not in request.cookies:
            return self._challenge(401, "Send a key of this service as Authorization: Bearer <key>.")
        logger.warning("%r: somebody at %s sent a wrong key", self._service.name, _address())
        return self._challenge(401, "The key sent is not one of the keys of this service.", error="invalid_token")

    def _not_allowed(self, who: Caller, needed: Role) -> Response:
        role, wanted = who.role.name.lower(), needed.name.lower()
        detail = f"The key of {who.name!r} has the role {role}; this needs the role {wanted}."
        return self._challenge(403, detail, error="insufficient_scope", scope=wanted)

    def _challenge(self, status: int, detail: str, **parameters: str) -> Response:
        response = problem(status, detail)
        parameters = {"realm": self._service.name, **parameters}
        response.headers["WWW-Authenticate"] = "Bearer " + ", ".join(
            f'{name}="{value}"' for name, value in parameters.items()
        )
        return response


def add_login(blueprint: Blueprint, guard: Guard) -> None:
    """Add the routes by which a browser exchanges a key for a cookie, says who it is, and drops the cookie."""

    @blueprint.get("/login")
    @needs(Role.READ)
    def who() -> Response:
        return _introduce(guard.caller())

    @blueprint.post("/login")
    @needs(None, body=True)
    def login() -> Response:
        request.max_content_length = 65_536
        return guard.sign_in(_key_member(parse_request(request.get_data(cache=False), guard.settings)))

    @blueprint.post("/logout")
    @needs(None)
    def logout() -> Response:
        return guard.sign_out()


def _is_whole(arguments: Mapping[str, Any]) -> bool:
    """Returns whether the arguments of a path are an ingestion's id in full."""
    return _WHOLE.fullmatch(arguments.get("ingestion_id", "")) is not None


def _refuse_part(text: str, found: str, batch: int | None) -> None:
    """Raise InvalidRequest where `text` may have been meant for less than the ingestion that was found."""
    if batch is not None:
        why = f"This is the id of a batch of ingestion {found}, all of which this would act on; give that id."
    elif len(_NO_DIGIT.sub("", text)) < _LEAST:
        why = f"{text} begins the id of ingestion {found}; give at least {_LEAST} digits of it for this."
    else:
        return
    raise InvalidRequest([Fault("path ingestion_id", why)])


def _bearer() -> str | None:
    """Returns the bearer token of the Authorization header, None without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _introduce(who: Caller) -> Response:
    return as_json({"name": who.name, "role": who.role.name.lower()})


def _key_member(body: Any) -> str:
    if not isinstance(body, Mapping) or set(body) != {"key"} or not isinstance(body["key"], str):
        raise InvalidRequest([Fault("#/key", 'The body must be {"key": "..."} and no more.')])
    text: str = body["key"]
    return text


def _address() -> str:
    return request.remote_addr or "an unknown address"
