"""What is noted of an ingestion's batches that started."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ..core import Answer, Answers, Attempt, BatchError


class Details:
    """What differs from the default in some batches of an ingestion, by position.

    `times` holds the start and the end of the latest attempt of each batch that ever started, 16 bytes a batch; they
    start in the order of their positions, unless some await others. `log` has the latest attempts, where they are kept.
    `answers` has the batches of which some ids failed or wait: together, those in line need `starts` more starts than
    there are such batches, and ask `spared` ids less than they hold. `served` counts the ids that got their answer
    without a call.
    """

    __slots__ = ("answers", "attempts", "dues", "errors", "log", "results", "served", "spared", "starts", "times")

    def __init__(self) -> None:
        self.attempts: dict[int, int] = {}
        self.errors: dict[int, BatchError] = {}
        self.dues: dict[int, float] = {}
        self.log: dict[int, tuple[Attempt, ...]] = {}
        self.results: dict[int, Sequence[Answer]] = {}
        self.answers: dict[int, Answers] = {}
        self.starts = self.spared = self.served = 0
        self.times = array("d")


NO_DETAILS = Details()
"""Shared by all records in which nothing has started, because there may be very many; never written to."""
