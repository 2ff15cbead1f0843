"""The processor that calls an HTTP upstream. Needs urllib3 and jmespath, the extra `http`."""

from .limits import retry_after
from .upstream import HttpUpstream

__all__ = ["HttpUpstream", "retry_after"]
