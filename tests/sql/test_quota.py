"""KEY_QUOTA where a caller has very many ingestions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import QuotaFull
from app.memory import MemoryStore
from app.sql.store import SQLStore
from app.sql.wire import Wire
from tests.support.clock import FakeClock
from tests.support.queueing import settings, submit


def test_a_refusal_looks_at_very_many_ingestions_in_few_statements(
    open_sql: Callable[..., SQLStore], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    several, asked = 1100, list[Any]()
    chosen = {"key_quota": several, "batch_size": 1, "interval": 1.0}
    stores = [open_sql(**chosen), MemoryStore(settings(**chosen), clock)]
    for store in stores:
        for _ in range(several):
            submit(store, [1], owner="a")
    execute = Wire.execute

    def listening(self: Wire, *given: Any, **more: Any) -> Any:
        asked.append(given)
        return execute(self, *given, **more)

    monkeypatch.setattr(Wire, "execute", listening)
    for more in (100, 1050):
        told = []
        for store in stores:
            with pytest.raises(QuotaFull) as refused:
                submit(store, range(more), owner="a")
            told.append(str(refused.value))
        assert told[0] == told[1]
        assert f"{more} more will fit in {more - 1}.0 s" in told[0]
    assert len(asked) < 15
