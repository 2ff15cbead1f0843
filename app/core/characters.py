"""Which characters ids and names may hold: the printable ones, by a rule that every version of Unicode agrees on."""

from __future__ import annotations

import re

UNPRINTABLE = (
    r"\x00-\x1f\x7f-\xa0\xad"
    "\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb"
)
"""What no text may hold, as the inside of a regular expression's brackets in any language.

It is what controls, formats or separates in the first plane of Unicode, but for the space (Cc, Cf, Zl, Zp, Zs). Beyond
that plane not every language has ranges. What is not assigned yet, or to private use, may be a character to somebody.
"""

# Half a character is none; no JSON in UTF-8 can hold it but as an escape.
_FOUND = re.compile(f"[{UNPRINTABLE}\ud800-\udfff]")


def unprintable_in(text: str) -> int | None:
    """Returns the place of the first character that no text may hold, None if there is none."""
    if text.isprintable():  # in a tenth of the time
        return None
    found = _FOUND.search(text)
    return None if found is None else found.start()
