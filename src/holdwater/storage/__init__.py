"""Where runs live: `open_store` gives the store a database URL names."""

from holdwater.storage.opening import open_store
from holdwater.storage.options import StoreOptions

__all__ = ["StoreOptions", "open_store"]
