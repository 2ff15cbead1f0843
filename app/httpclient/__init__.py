"""HTTP as its clients have to read it: which answer is the final one, until when it comes, how long it asks to wait."""

from .final import FinalResponse
from .headers import seconds_to_wait, sent_at, whole_number
from .timely import TimelyResponse, reading_until

__all__ = [
    "FinalResponse",
    "TimelyResponse",
    "reading_until",
    "seconds_to_wait",
    "sent_at",
    "whole_number",
]
