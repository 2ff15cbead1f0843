"""The service by itself, for a WSGI server: `flask_ingestion.wsgi:app`."""

import os

from . import create_app
from .config import Settings
from .serving import log_to_stderr, tune_process

tune_process()
log_to_stderr(Settings.read(os.environ).log_format)
app = create_app()
