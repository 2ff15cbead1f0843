"""The API of a running service, from Python. Needs the standard library alone.

ClientError
├── Unreachable    no service answered: absent, too slow, cut off, or something other than this service
├── Refused        the service answered no, and says why
└── TimedOut       the ingestion had not ended when time ran out
"""

from .calls import Refused
from .client import Client, TimedOut
from .transport import ClientError, Unreachable

__all__ = ["Client", "ClientError", "Refused", "TimedOut", "Unreachable"]
