"""Several queues in one database: each is as it would be alone, and none touches what is another's."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from app.callbacks import Callback, CallbackState, Delivery
from app.core import (
    BatchError,
    Pauses,
    Priority,
    Rates,
    Sought,
    Sweep,
    SweepFilter,
    Wait,
    WorkerReport,
    search,
    steps,
)
from app.errors import Refusal
from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.schema import metadata
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.queueing import bury, finish, release, retry, submit

BOOM = BatchError("ValueError", "boom")
OWNERS = (None, "web", "nightly")
DEEDS = "submit submit submit claim claim claim end end wait operate operate tend sweep told".split()  # noqa: SIM905
ANY_OF_THEM: dict[str, Any] = {
    "interval": 1,
    "fair": True,
    "fresh": 60,
    "attempts_kept": 3,
    "retention": 100,
    "lease": 60,
    "key_quota": 100,
    "webhook_url": "https://hooks.example.org/",
    "webhook_secret": "whsec_" + "A" * 32,
}


def act(store: SQLStore, clock: FakeClock, chance: random.Random) -> None:
    """Do something that an operator, a client or a worker does."""
    known = store.ingestions(limit=1000)
    one = chance.choice(known).id if known else ""
    part = Pauses(frozenset({chance.choice(list(Priority))}), frozenset({"web"}))
    match chance.choice(
        [
            "submit",
            "submit",
            "submit",
            "claim",
            "claim",
            "claim",
            "end",
            "end",
            "wait",
            "operate",
            "operate",
            "tend",
            "sweep",
            "told",
        ]
    ):
        case "submit":
            ids = range(first := chance.randrange(40), first + chance.randrange(1, 12))
            key = chance.choice([None, None, f"{chance.randrange(20)}"])
            more = {"owner": chance.choice(OWNERS), "key": key, "fingerprint": key or ""}
            submit(store, ids, chance.choice(list(Priority)), **more)
        case "claim":
            store.claim(chance.randrange(1, 4))
        case "end":
            if not isinstance(claims := store.claim(1), Wait):
                chance.choice([finish, lambda *of: bury(*of, BOOM), lambda *of: retry(*of, BOOM, 7.0), release])(
                    store, claims[0]
                )
        case "wait":
            clock.advance(chance.choice([0.5, 5, 70]))
        case "operate":
            chance.choice(
                [
                    lambda: store.cancel(one),
                    lambda: store.redrive(one),
                    lambda: store.move(one, chance.choice(list(Priority))),
                    lambda: store.pause("ann", part),
                    lambda: store.resume("ann", part),
                    lambda: store.hold(3.0),
                    lambda: store.change_rates(Rates(interval=chance.choice([0.5, 2.0])), "ann"),
                ]
            )()
        case "tend":
            store.report(WorkerReport(f"{chance.randrange(3):036}", "here", 1, "0.2.0", 4, 0, 0))
            store.leave(f"{chance.randrange(3):036}")
            store.recover()
            sum(store.prune())
            store.outbox.prune()
        case "sweep":
            where = SweepFilter(owner=chance.choice(OWNERS[1:]))
            store.sweeps.add(Sweep(f"{chance.randrange(10**9):036}", "redrive", where, None, None, "", clock.now(), 0))
            if isinstance(found := store.sweeps.claim(60), Sweep):
                for some, cursor in steps(found.verb, found.where, store.ingestions, store.failures, found.cursor):
                    store.sweeps.act(found, [each.id for each in some], cursor, 60, last=True)
                    break
        case "told":
            if isinstance(callback := store.outbox.claim(30.0), Callback):
                store.outbox.end(callback, Delivery(chance.choice(list(CallbackState)), None, 5.0))


def seen(store: SQLStore) -> Iterator[Any]:
    """All that a store tells."""
    yield store.stats()
    yield store.quote(3, "web")
    yield store.upcoming(50)
    yield store.dispatches(50)
    yield store.minutes()
    yield sorted(store.callers(9), key=repr)
    yield store.workers()
    yield store.audits(50)
    yield store.sweeps.latest(9)
    yield store.outbox.unsent()
    yield list(store.failures(ids=True))
    yield search(store.finder, store.ingestions, Sought.of("7"))
    for one in store.ingestions(limit=1000):
        ingestion, estimate, found = store.status(one.id)
        yield ingestion, estimate, list(found)
        yield store.attempts(one.id)
        yield dict(store.results(one.id, failed=True))
        yield store.outbox.of(one.id)


def lived(store: SQLStore, clock: FakeClock) -> list[str]:
    """What a store told in the course of a life that is always the same, with its ids as they come up."""
    clock.reset()
    chance, names = random.Random(7), dict[str, str]()

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"#{len(names)}")

    told = []
    for number in range(200):
        with suppress(Refusal):
            act(store, clock, chance)
        if number % 20 == 19:
            told += [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", name, repr(one)) for one in seen(store)]
    return told


@pytest.mark.parametrize("find_ids", [False, True])
def test_each_is_as_it_would_be_alone(
    open_sql: Callable[..., SQLStore], database: str, clock: FakeClock, find_ids: bool
) -> None:
    raw = Database(parse_url(database, "STORE"), 1, 2.0)

    def rows() -> dict[str, set[Any]]:
        return raw.read(
            lambda wire: {
                table.name: {tuple(row) for row in wire.execute(select(table), {}).all()}
                for table in metadata.sorted_tables
            }
        )

    alone = lived(open_sql(name="first", find_ids=find_ids, **ANY_OF_THEM), clock)
    before = rows()
    beside = lived(open_sql(name="second", find_ids=find_ids, **ANY_OF_THEM), clock)
    after = rows()
    raw.close()
    for one, other in zip(beside, alone, strict=True):
        assert one == other
    assert len(alone) > 300
    for table, some in before.items():
        assert some <= after[table], table
        assert len(after[table]) == 2 * len(some) or "version" in table, table
