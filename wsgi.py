"""The service for a WSGI server (`wsgi:app`), and by itself: `python wsgi.py`."""

import gc

from app import create_app

if __name__ == "__main__":
    from app.server import run

    raise SystemExit(run(create_app))

app = create_app()
# What is there now stays, so the garbage collector need not go through it whenever the queue has grown.
gc.collect()
gc.freeze()
