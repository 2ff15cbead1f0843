"""The callables that process the ids of a batch.

`http` calls an HTTP upstream; it needs urllib3, the extra `http`, and so is imported where it is used.
"""

from .contract import JSON, Failed, Processor, checked, encode_results, imported, simulate

__all__ = ["JSON", "Failed", "Processor", "checked", "encode_results", "imported", "simulate"]
