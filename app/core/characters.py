"""Which characters ids and names may hold: the printable ones, by a rule that every version of Unicode agrees on."""

from __future__ import annotations

import re

UNPRINTABLE = (
    r"\x00-\x1f\x7f-\xa0\xad"
    "\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb"
)
"""What no text may hold, written as what a character class holds in any dialect of regular expressions.

It is what controls, formats or separates in the first plane of Unicode, but for the space (Cc, Cf, Zl, Zp, Zs). Beyond
that plane not every dialect has ranges. Code points that are unassigned or for private use are allowed: they may be
characters to somebody.
"""

# A lone surrogate is no character; JSON in UTF-8 can hold one only as an escape.
_FOUND = re.compile(f"[{UNPRINTABLE}\ud800-\udfff]")


def unprintable_in(text: str) -> int | None:
    """Returns the place of the first character that no text may hold, None if there is none."""
    if text.isprintable():  # in a tenth of the time
        return None
    found = _FOUND.search(text)
    return None if found is None else found.start()
