"""Which setting a key was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHORT = 5
"""Letters of a name in which one may be replaced."""


def meant(name: str, settings: Iterable[str]) -> str | None:
    """Returns the setting that is spelt almost like this: with one letter wrong, or the same letters in another order.

    Of five letters and fewer, another may make a word of its own, such as FILE beside FILL.
    """
    letters = sorted(name)
    slips = [
        one
        for one in settings
        if sorted(one) == letters or (_is_one_off(name, one) and (len(one) != len(name) or len(name) > _SHORT))
    ]
    near = next(iter(slips or difflib.get_close_matches(name, settings, n=1, cutoff=0.9)), None)
    return None if near is None or is_of_another(name, near) else near


def is_of_another(name: str, setting: str) -> bool:
    """Returns whether it ends as a key of another instance: beside one named `geo`, GEO_EU_STORE is of `geo_eu`."""
    return len(name) > len(setting) + 1 and name.endswith(f"_{setting}")


def _is_one_off(one: str, other: str) -> bool:
    """Returns whether a letter that is replaced, added or left out makes one of the other."""
    shorter = min(len(one), len(other))
    same = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    return one[same + (len(one) >= len(other)) :] == other[same + (len(other) >= len(one)) :]
