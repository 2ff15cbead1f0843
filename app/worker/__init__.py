"""Claims batches in a daemon thread, and runs the processor on them in a crew of threads; carries out sweeps."""

from .attempt import announce
from .sweeper import Sweeper
from .worker import Worker

__all__ = ["Sweeper", "Worker", "announce"]
