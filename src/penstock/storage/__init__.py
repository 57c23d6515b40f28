"""Where runs live: `open_store` gives the store a database URL names."""

from penstock.storage.opening import open_store

__all__ = ["open_store"]
