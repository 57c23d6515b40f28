"""Adapter from a NodeCache to the cache of a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from holdwater.caching import Hit, NodeCache
from holdwater.graphs.node_call import CacheLookup

if TYPE_CHECKING:
    from holdwater.caching import CacheBackend
    from holdwater.graphs.nodes.base import Node


class NodeCacheAdapter:
    """Looks up a node's execution in a cache before the call, and stores its result after it."""

    def __init__(self, backend: CacheBackend) -> None:
        self.cache = NodeCache(backend)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle, with the backend as it supports it."""
        return NodeCacheAdapter, (self.cache.backend,)

    def lookup(self, node: Node, inputs: Mapping[str, Any]) -> CacheLookup:
        found = self.cache.lookup(node, inputs)
        if isinstance(found, Hit):
            return CacheLookup(found.key, True, found.value, found.decision)
        if found.key is None:
            return CacheLookup()
        return CacheLookup(found.key.hex_digest, store=partial(self.cache.store, found))
