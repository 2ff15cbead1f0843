"""The queue in a database: durable in a SQLite file, shared by any number of processes on PostgreSQL.

Needs SQLAlchemy, the extra `sql` or `postgres`.
"""

from .store import SQLStore

__all__ = ["SQLStore"]
