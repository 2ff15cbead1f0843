"""Gives the memory of large requests back to the system, where the C library is glibc."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of <malloc.h>; see mallopt(3)."""

_LARGE = 1 << 20


def return_large_blocks() -> bool:
    """Have each block of a megabyte or more mapped by itself, so that freeing it returns it; returns whether it can.

    Otherwise glibc raises that limit with the first large block it frees, and each thread that parsed a body of a
    million ids keeps some 25 MB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function, or no such library, on other platforms
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE))
