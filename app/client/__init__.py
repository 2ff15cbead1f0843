"""The API of a running service, from Python; the standard library is all it takes.

ClientError
├── Unreachable    no service answered: not there, too slow, gone in the middle, or something else than this service
├── Refused        the service answered no, and says why
└── TimedOut       the ingestion had not ended when the time was up
"""

from .calls import Refused
from .client import Client, TimedOut
from .transport import ClientError, Unreachable

__all__ = ["Client", "ClientError", "Refused", "TimedOut", "Unreachable"]
