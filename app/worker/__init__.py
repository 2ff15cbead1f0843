"""Claims batches and runs the processor on them: a daemon thread and a few more."""

from .attempt import announce
from .worker import Worker

__all__ = ["Worker", "announce"]
