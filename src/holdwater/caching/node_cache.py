"""What a driver asks before and after it executes a node."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from holdwater.caching.backends import CacheBackend, Notes
from holdwater.caching.keys import CacheableNode, Key, Uncacheable, cache_key
from holdwater.caching.memory import MemoryNotes
from holdwater.caching.misses import Footprints, WhyMiss
from holdwater.errors import Unstorable
from holdwater.model.error_report import describe
from holdwater.model.log_context import get_logger

_log = get_logger(__name__)
_FAULTS_KEPT: Final = 100

Decision: TypeAlias = tuple[str, ...]
"""the targets a gate opened"""


@dataclass(frozen=True, slots=True)
class Hit:
    """`value` is what the function returned, a copy of its own; `decision` what a gate made of it."""

    key: str
    value: Any
    decision: Decision | None


class Miss:
    """`key` is None if the execution cannot be cached."""

    __slots__ = ("_cache", "_why", "key", "node_name")

    def __init__(self, cache: NodeCache, node_name: str, key: Key | None, why: WhyMiss | None = None) -> None:
        self._cache, self._why = cache, why
        self.node_name, self.key = node_name, key

    @property
    def reason(self) -> str:
        """Why, in words.  Worked out when it is first asked for, which is to be before the value is stored."""
        return str(self.why)

    @property
    def why(self) -> WhyMiss:
        if self._why is None:
            assert self.key is not None
            self._why = self._cache.explain(self.node_name, self.key)
        return self._why


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Lookups by how they ended, values stored, and failures of the backend, which count as misses too."""

    hits: int
    misses: int
    uncacheable: int
    stored: int
    unstorable: int
    faults: int


class NodeCache:
    """A backend, asked by node and inputs.  For any number of threads.

    A backend that fails does not fail a run: the lookup is a miss, and the failure is logged and kept in `faults`.
    """

    def __init__(self, backend: CacheBackend) -> None:
        self.backend: Final = backend
        self.faults: Final[deque[Exception]] = deque(maxlen=_FAULTS_KEPT)
        self._footprints: Final = Footprints(backend if isinstance(backend, Notes) else MemoryNotes())
        self._counts: Final = dict.fromkeys(CacheStats.__slots__, 0)
        self._guard: Final = threading.Lock()
        self._told: Final[set[str]] = set()

    @property
    def stats(self) -> CacheStats:
        with self._guard:
            return CacheStats(**self._counts)

    def lookup(self, node: CacheableNode, inputs: Mapping[str, Any]) -> Hit | Miss:
        """`inputs` by their current names, all that the function will get."""
        key = cache_key(node, inputs)
        if isinstance(key, Uncacheable):
            self._count("uncacheable")
            if node.cache and not node.is_interrupt:
                self._tell(node.name, key.reason)
            return Miss(self, node.name, None, WhyMiss(node.name, "uncacheable", reason=key.reason))
        try:
            found, entry = self.backend.get(key.text)
            if found:
                hit = Hit(key.text, entry["value"], None if entry["decision"] is None else tuple(entry["decision"]))
                self._count("hits")
                return hit
        except Exception as error:  # noqa: BLE001 - recorded
            self._record(error)
        self._count("misses")
        return Miss(self, node.name, key)

    def _tell(self, node_name: str, reason: str) -> None:
        """Say once of a node that its results are never found again."""
        with self._guard:
            if node_name in self._told:
                return
            self._told.add(node_name)
        _log.warning("what node %s returns is not cached, and so never found again: %s", node_name, reason)

    def store(self, miss: Miss, value: Any, decision: Decision | None = None) -> None:
        """Keep what an execution returned; not for one that raised.  Nothing happens if it cannot be cached."""
        if miss.key is None:
            return
        refusal = ""
        try:
            self.backend.set(miss.key.text, {"value": value, "decision": None if decision is None else list(decision)})
            self._count("stored")
        except Unstorable as error:
            refusal = error.message
            self._count("unstorable")
            self._tell(miss.node_name, refusal)
        except Exception as error:  # noqa: BLE001 - recorded
            self._record(error)
            return
        try:
            self._footprints.add(miss.key, refusal)
        except Exception as error:  # noqa: BLE001 - recorded
            self._record(error)

    def why_miss(self, node: CacheableNode, inputs: Mapping[str, Any]) -> WhyMiss:
        """What would happen at a lookup now, and why; nothing is counted."""
        key = cache_key(node, inputs)
        if isinstance(key, Uncacheable):
            return WhyMiss(node.name, "uncacheable", reason=key.reason)
        found, _ = self.backend.get(key.text)
        return WhyMiss(node.name, "stored") if found else self.explain(node.name, key)

    def explain(self, node_name: str, key: Key) -> WhyMiss:
        """Why a key is not there."""
        return self._footprints.explain(node_name, key)

    def _count(self, what: str) -> None:
        with self._guard:
            self._counts[what] += 1

    def _record(self, error: Exception) -> None:
        self._count("faults")
        self.faults.append(error)
        _log.warning("the cache %r failed: %s", self.backend, describe(error))


def why_miss(cache: CacheBackend, node: CacheableNode, inputs: Mapping[str, Any]) -> WhyMiss:
    """Why `node` with these inputs is not found in `cache`; print it.  `inputs`: all, used defaults too.

    Names the inputs that changed, and the functions, closures, defaults, constants and classes that did.  Of a backend
    without notes only the NodeCache that stored a value can tell: ask its method of this name.
    """
    return NodeCache(cache).why_miss(node, inputs)
