"""The service by itself, for a WSGI server: `flask_ingestion.wsgi:app`."""

from . import create_app
from .serving import tune_process

tune_process()
app = create_app()
