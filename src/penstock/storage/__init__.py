"""Where runs live: `open_store` gives the store a database URL names."""

from penstock.storage.opening import open_store
from penstock.storage.options import StoreOptions

__all__ = ["StoreOptions", "open_store"]
