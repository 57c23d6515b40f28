"""Nodes as a driver has them, without graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdwater.caching import CacheableNode, CacheBackend, Hit, NodeCache


@dataclass
class FunctionNode:
    """`renames`: inputs by their parameters."""

    func: Callable[..., Any]
    name: str = "node"
    cache: bool = True
    is_interrupt: bool = False
    is_gate: bool = False
    targets: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)

    def param(self, name: str) -> str:
        return {new: old for old, new in self.renames.items()}.get(name, name)


@dataclass
class NestedNode:
    name: str = "nested"
    cache: bool = True
    is_interrupt: bool = False
    is_gate: bool = False

    def param(self, name: str) -> str:
        return name


def execute_cached(cache: NodeCache, node: FunctionNode, **inputs: Any) -> str:
    """Execute as a driver does: "hit", or the reason of the miss."""
    found = cache.lookup(node, inputs)
    if isinstance(found, Hit):
        return "hit"
    reason = found.reason
    cache.store(found, node.func(**{node.param(name): value for name, value in inputs.items()}))
    return reason


def key_of(function: Callable[..., Any], **inputs: Any) -> str:
    from holdwater.caching import CacheKey, cache_key

    key = cache_key(FunctionNode(function), inputs)
    assert isinstance(key, CacheKey), key
    return key.hex_digest


def reason_of(function: Callable[..., Any], **inputs: Any) -> str:
    from holdwater.caching import Uncacheable, cache_key

    key = cache_key(FunctionNode(function), inputs)
    assert isinstance(key, Uncacheable)
    return key.reason


def check_protocols(node: CacheableNode, backend: CacheBackend) -> None:
    """For the type checker: what stands in here is what the room asks for."""
