"""Cache of node results, keyed by everything they depend on in code and inputs.

A key is a digest of the inputs and of all the code the function reaches: helpers of the same package, closures,
defaults and the constants they read.  External reads (files, the environment, the clock) are not part of it.
"""

from holdwater.caching.backends import CacheBackend, MissLog
from holdwater.caching.disk import DiskCache
from holdwater.caching.keys import CacheableNode, CacheKey, Uncacheable, cache_key
from holdwater.caching.memory import MemoryCache
from holdwater.caching.misses import MissCause, MissExplanation
from holdwater.caching.node_cache import CacheStats, Hit, Miss, NodeCache, why_miss

__all__ = [
    "CacheBackend",
    "CacheKey",
    "CacheStats",
    "CacheableNode",
    "DiskCache",
    "Hit",
    "MemoryCache",
    "Miss",
    "MissCause",
    "MissExplanation",
    "MissLog",
    "NodeCache",
    "Uncacheable",
    "cache_key",
    "why_miss",
]
