"""Claims batches and runs the processor on them, in a daemon thread and a crew of others."""

from .attempt import announce
from .worker import Worker

__all__ = ["Worker", "announce"]
