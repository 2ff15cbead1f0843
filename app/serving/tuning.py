"""Settings of a whole process, for one that serves nothing but this service."""

from __future__ import annotations

import ctypes
import gc
import sys

_SWITCH_INTERVAL = 0.0005
"""Seconds that a busy thread may keep the interpreter from another that is ready to run; by default, it is 0.005.

A request that comes beside one of a million ids, and the start of a batch, wait that long at least.
"""

_COLLECTIONS = 2000, 10, 100
"""The thresholds of the garbage collector, see gc.set_threshold(); by default, these are 700, 10 and 10.

A queue in memory holds millions of objects that are never part of a cycle. With 300,000 ingestions, looking at them as
often as by default takes a third of all time, and up to a second at once, in which nothing starts.
"""

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of <malloc.h>; see mallopt(3)."""

_LARGE = 1 << 20


def tune_process() -> None:
    """Let threads take turns more often, look for cycles less often, and have memory go back to the system.

    An app that embeds ours decides itself.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.freeze()  # what was imported stays
    gc.set_threshold(*_COLLECTIONS)
    return_large_blocks()


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
