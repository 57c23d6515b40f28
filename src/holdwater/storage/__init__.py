"""Stores of runs: SQLite, PostgreSQL, memory and checkpoint files.  `open_store` opens the one a URL names."""

from holdwater.storage.opening import open_store
from holdwater.storage.options import StoreOptions

__all__ = ["StoreOptions", "open_store"]
