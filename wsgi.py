"""The service for a WSGI server (`wsgi:app`), and by itself: `python wsgi.py`."""

if __name__ == "__main__":
    from app import create_app
    from app.serving.server import run

    raise SystemExit(run(create_app))

from app.wsgi import app as app
