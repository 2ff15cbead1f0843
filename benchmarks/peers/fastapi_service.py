"""The same contract in its usual form: FastAPI, pydantic models, heapq in memory, one asyncio task as the worker.

Served by `uvicorn benchmarks.peers.fastapi_service:app` with uvicorn[standard].
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

BATCH_SIZE = 3
INTERVAL = 5.0
WEIGHTS = {"HIGH": 1, "MEDIUM": 2, "LOW": 3}


class Priority(StrEnum):
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class IngestRequest(BaseModel):
    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(min_length=1)
    priority: Priority


ingestions: dict[str, list[dict[str, Any]]] = {}
queue: list[tuple[int, int, dict[str, Any]]] = []
order = itertools.count()
added = asyncio.Event()


async def work() -> None:
    while True:
        while not queue:
            added.clear()
            await added.wait()
        _, _, batch = heapq.heappop(queue)
        batch["status"] = "triggered"
        await asyncio.sleep(0)
        batch["status"] = "completed"
        await asyncio.sleep(INTERVAL)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    worker = asyncio.create_task(work())
    yield
    worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/ingest")
async def ingest(request: IngestRequest) -> dict[str, Any]:
    ingestion_id = str(uuid.uuid4())
    batches = []
    for start in range(0, len(request.ids), BATCH_SIZE):
        batch = {
            "batch_id": str(uuid.uuid4()),
            "ids": request.ids[start : start + BATCH_SIZE],
            "status": "yet_to_start",
        }
        batches.append(batch)
        heapq.heappush(queue, (WEIGHTS[request.priority.value], next(order), batch))
    ingestions[ingestion_id] = batches
    added.set()
    return {"ingestion_id": ingestion_id}


@app.get("/status/{ingestion_id}")
async def status(ingestion_id: str) -> dict[str, Any]:
    batches = ingestions.get(ingestion_id)
    if batches is None:
        raise HTTPException(status_code=404, detail="Ingestion ID not found")
    statuses = {batch["status"] for batch in batches}
    if statuses == {"yet_to_start"}:
        overall = "yet_to_start"
    elif statuses == {"completed"}:
        overall = "completed"
    else:
        overall = "triggered"
    return {"ingestion_id": ingestion_id, "status": overall, "batches": batches}
