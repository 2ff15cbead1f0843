"""Beside asyncio: a signal comes in a thread of the queue, and is handed to the host's event loop."""

import asyncio
import os
import threading

from flask import Flask
from flask_ingestion import IngestionAPI, ingestion_finished

app = Flask(__name__)
app.config.update(INGEST_UPSTREAM_URL=os.environ["UPSTREAM_URL"], INGEST_INTERVAL=0.1)
ingestion = IngestionAPI(app, url_prefix="/ingestion")
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, name="loop", daemon=True).start()
told = []


async def tell(ingestion_id):
    """In place of something that awaits: a websocket, a request of httpx."""
    await asyncio.sleep(0)
    told.append((ingestion_id, threading.current_thread().name))


@ingestion_finished.connect_via(app)
def finished(_app, ingestion, **_):
    """A receiver must be quick, and so it does not wait for the result."""
    asyncio.run_coroutine_threadsafe(tell(ingestion.id), loop)


@app.get("/told")
def what_was_told():
    return told
