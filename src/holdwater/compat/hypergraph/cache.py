"""Caches with the original's options."""

from __future__ import annotations

import os

from holdwater import caching
from holdwater.caching import CacheBackend, MemoryCache
from holdwater.caching import CacheBackend as Cache
from holdwater.caching import MemoryCache as InMemoryCache
from holdwater.compat.hypergraph.unsupported import compute_cache_key


class DiskCache(caching.DiskCache):
    """Holdwater's disk cache, by default in the original's directory.  `size_limit`: bytes."""

    def __init__(
        self, cache_dir: str | os.PathLike[str] = "~/.cache/hypergraph", *, size_limit: int | None = None
    ) -> None:
        if size_limit is None:
            super().__init__(cache_dir)
        else:
            super().__init__(cache_dir, size_limit)


__all__ = ["Cache", "CacheBackend", "DiskCache", "InMemoryCache", "MemoryCache", "compute_cache_key"]
