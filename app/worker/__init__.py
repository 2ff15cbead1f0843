"""Claims batches in a daemon thread, and runs the processor on them in a crew of threads; carries out sweeps."""

from .announcements import announce_if_ended, announce_served
from .drain import Drain
from .sweeper import Sweeper
from .worker import Worker

__all__ = ["Drain", "Sweeper", "Worker", "announce_if_ended", "announce_served"]
