"""The cache as drivers use it: look up before a node is executed, store after it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from holdwater.caching.backends import CacheBackend, MissLog
from holdwater.caching.keys import CacheableNode, CacheKey, Uncacheable, cache_key
from holdwater.caching.memory import MemoryMissLog
from holdwater.caching.misses import MissExplainer, MissExplanation
from holdwater.errors import Unstorable
from holdwater.model.error_report import describe_error
from holdwater.model.log_context import get_logger

_log = get_logger(__name__)
_MAX_BACKEND_ERRORS: Final = 100

GateDecision: TypeAlias = tuple[str, ...]
"""the targets a gate opened"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored execution.  `value`: the function's return value, a copy.  `decision`: the targets a gate opened."""

    key: str
    value: Any
    decision: GateDecision | None


class Miss:
    """An execution that was not found.  `key`: None if it cannot be cached."""

    __slots__ = ("_cache", "_explanation", "key", "node_name")

    def __init__(
        self, cache: NodeCache, node_name: str, key: CacheKey | None, explanation: MissExplanation | None = None
    ) -> None:
        self._cache, self._explanation = cache, explanation
        self.node_name, self.key = node_name, key

    @property
    def reason(self) -> str:
        """The explanation as a sentence, computed on first access; read it before the value is stored."""
        return str(self.explanation)

    @property
    def explanation(self) -> MissExplanation:
        if self._explanation is None:
            assert self.key is not None
            self._explanation = self._cache.explain(self.node_name, self.key)
        return self._explanation


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts of lookups by outcome, of stored values, and of backend errors, each of which is also a miss."""

    hits: int
    misses: int
    uncacheable: int
    stored: int
    unstorable: int
    errors: int


class NodeCache:
    """A backend, used by node and inputs.  Thread-safe.

    An error of the backend does not fail a run: the lookup is a miss, and the error is logged and kept in
    `backend_errors`.
    """

    def __init__(self, backend: CacheBackend) -> None:
        self.backend: Final = backend
        self.backend_errors: Final[deque[Exception]] = deque(maxlen=_MAX_BACKEND_ERRORS)
        self._miss_explainer: Final = MissExplainer(backend if isinstance(backend, MissLog) else MemoryMissLog())
        self._counts: Final = dict.fromkeys(CacheStats.__slots__, 0)
        self._lock: Final = threading.Lock()
        self._warned_nodes: Final[set[str]] = set()

    @property
    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(**self._counts)

    def lookup(self, node: CacheableNode, inputs: Mapping[str, Any]) -> Hit | Miss:
        """Look up an execution.  `inputs`: values by current name, used defaults included."""
        key = cache_key(node, inputs)
        if isinstance(key, Uncacheable):
            self._increment("uncacheable")
            if node.cache and not node.is_interrupt:
                self._warn_once(node.name, key.reason)
            return Miss(self, node.name, None, MissExplanation(node.name, "uncacheable", reason=key.reason))
        try:
            found, entry = self.backend.get(key.hex_digest)
            if found:
                hit = Hit(
                    key.hex_digest, entry["value"], None if entry["decision"] is None else tuple(entry["decision"])
                )
                self._increment("hits")
                return hit
        except Exception as error:  # noqa: BLE001 - recorded
            self._record_error(error)
        self._increment("misses")
        return Miss(self, node.name, key)

    def _warn_once(self, node_name: str, reason: str) -> None:
        """Log, once per node, that its results are not cached."""
        with self._lock:
            if node_name in self._warned_nodes:
                return
            self._warned_nodes.add(node_name)
        _log.warning("what node %s returns is not cached, and so never found again: %s", node_name, reason)

    def store(self, miss: Miss, value: Any, decision: GateDecision | None = None) -> None:
        """Store the return value of a successful execution.  Does nothing if the execution cannot be cached."""
        if miss.key is None:
            return
        refusal = ""
        try:
            self.backend.set(
                miss.key.hex_digest, {"value": value, "decision": None if decision is None else list(decision)}
            )
            self._increment("stored")
        except Unstorable as error:
            refusal = error.message
            self._increment("unstorable")
            self._warn_once(miss.node_name, refusal)
        except Exception as error:  # noqa: BLE001 - recorded
            self._record_error(error)
            return
        try:
            self._miss_explainer.record_stored(miss.key, refusal)
        except Exception as error:  # noqa: BLE001 - recorded
            self._record_error(error)

    def why_miss(self, node: CacheableNode, inputs: Mapping[str, Any]) -> MissExplanation:
        """Explain the outcome a lookup would have now, without counting it."""
        key = cache_key(node, inputs)
        if isinstance(key, Uncacheable):
            return MissExplanation(node.name, "uncacheable", reason=key.reason)
        found, _ = self.backend.get(key.hex_digest)
        return MissExplanation(node.name, "stored") if found else self.explain(node.name, key)

    def explain(self, node_name: str, key: CacheKey) -> MissExplanation:
        """Explain the miss of a key."""
        return self._miss_explainer.explain(node_name, key)

    def _increment(self, counter: str) -> None:
        with self._lock:
            self._counts[counter] += 1

    def _record_error(self, error: Exception) -> None:
        self._increment("errors")
        self.backend_errors.append(error)
        _log.warning("the cache %r failed: %s", self.backend, describe_error(error))


def why_miss(cache: CacheBackend, node: CacheableNode, inputs: Mapping[str, Any]) -> MissExplanation:
    """Explain the miss of `node` with these inputs in `cache`.  `inputs`: values by name, used defaults included.

    `str()` of the result lists the inputs that changed, and the functions, closures, defaults, constants and classes
    that changed.  If the backend has no miss log, only the NodeCache that stored the value can explain it: call its
    method `why_miss`.
    """
    return NodeCache(cache).why_miss(node, inputs)
