"""Tells a receiver over HTTP that an ingestion ended: what is said, how it is kept, and the thread that sends it."""

from .courier import Courier
from .message import Callback, CallbackState, Delivery
from .outbox import Outbox, Unsent, redriven

__all__ = ["Callback", "CallbackState", "Courier", "Delivery", "Outbox", "Unsent", "redriven"]
