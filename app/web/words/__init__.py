"""What the API's description says to people: of the whole, of each group, of each operation."""

from __future__ import annotations

from .follow import FOLLOW
from .steer import STEER
from .submit import SUBMIT
from .watch import WATCH
from .whole import ABOUT, GROUPS, KEYED, NEEDED, OPEN, Words

__all__ = ["ABOUT", "GROUPS", "KEYED", "NEEDED", "OPEN", "OPERATIONS"]

OPERATIONS = {
    **SUBMIT,
    **FOLLOW,
    **STEER,
    **WATCH,
    "whoAmI": Words(
        "Sign in",
        "See who is calling",
        "The caller that the key or the cookie belongs to, and its role. Without keys, everybody may operate.",
    ),
    "signIn": Words(
        "Sign in",
        "Exchange a key for a cookie",
        """
        The cookie lasts until the browser is closed; no script can read it, and no other site can send it. Where there
        are no keys, everything is taken for one and no cookie is set.
        """,
    ),
    "signOut": Words(
        "Sign in",
        "Drop the cookie",
        "The key itself stays valid. Without a cookie this changes nothing.",
    ),
    "getDescription": Words(
        "Reference",
        "Read this description",
        "OpenAPI 3.1, of the running version with its settings. A program reads it here, a person at `/docs`.",
    ),
}
