"""The callables that process the ids of a batch.

`http` calls an HTTP upstream; it needs urllib3 and jmespath, the extra `http`, and so is imported where it is used.
"""

from .contract import JSON, Failed, Processor, checked, encode_results, imported, simulate
from .current import Current, attempting, current_batch, current_batches, hold_queue, slow_down

__all__ = [
    "JSON",
    "Current",
    "Failed",
    "Processor",
    "attempting",
    "checked",
    "current_batch",
    "current_batches",
    "encode_results",
    "hold_queue",
    "imported",
    "simulate",
    "slow_down",
]
