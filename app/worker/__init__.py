"""Claims batches in a daemon thread, and runs the processor on them in a crew of threads."""

from .attempt import announce
from .drain import Drain
from .worker import Worker

__all__ = ["Drain", "Worker", "announce"]
