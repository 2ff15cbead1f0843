"""What a million ids cost."""

from __future__ import annotations

from pathlib import Path

from app.core.models import Status
from app.sql.store import SQLStore
from tests.support.queueing import claimed, finish, settings, submit

MILLION = range(2**62, 2**62 + 1_000_000)


def test_a_million_ids_take_no_more_than_sixteen_megabytes_and_are_all_there(tmp_path: Path) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0))
    ingestion = submit(store, MILLION)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 16_000_000
    first, *_ = claimed(store, 3)
    assert first.batch.ids == list(MILLION[:3])
    finish(store, first, '"x"')
    after, page = store.batches(ingestion.id, 333_330, 100)
    assert after.status == Status.TRIGGERED
    assert [batch.ids for batch in page] == [list(MILLION[at : at + 3]) for at in range(999_990, 1_000_000, 3)]
    assert list(store.results(ingestion.id)) == [(one, '"x"') for one in MILLION[:3]]
    assert store.cancel(ingestion.id)[1]
    store.close()
