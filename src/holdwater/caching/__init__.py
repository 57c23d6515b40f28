"""Results of nodes, kept by what they really depend on.

A key is made of the inputs and of all the code behind the function: helpers of the same package, closures, defaults and
the constants they read.  What the code reads from outside (files, the environment, the clock) is not seen.
"""

from holdwater.caching.backends import Cache, CacheBackend, MissLog
from holdwater.caching.disk import DiskCache
from holdwater.caching.keys import CacheableNode, CacheKey, Uncacheable, cache_key
from holdwater.caching.memory import InMemoryCache, MemoryCache
from holdwater.caching.misses import MissCause, MissExplanation
from holdwater.caching.node_cache import CacheStats, Hit, Miss, NodeCache, why_miss
from holdwater.errors import CacheUnavailable, Unstorable

__all__ = [
    "Cache",
    "CacheBackend",
    "CacheKey",
    "CacheStats",
    "CacheUnavailable",
    "CacheableNode",
    "DiskCache",
    "Hit",
    "InMemoryCache",
    "MemoryCache",
    "Miss",
    "MissCause",
    "MissExplanation",
    "MissLog",
    "NodeCache",
    "Uncacheable",
    "Unstorable",
    "cache_key",
    "why_miss",
]
