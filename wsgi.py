"""The service for a WSGI server (`wsgi:app`), and by itself: `python wsgi.py`."""

from app import create_app

if __name__ == "__main__":
    from app.serving.server import run

    raise SystemExit(run(create_app))

app = create_app()
