"""A cache in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, Final

from holdwater.caching.copies import IsolatedValue, isolate
from holdwater.errors import ConfigError, Unstorable

MAX_LOG_TOPICS: Final = 1000
MAX_RECORDS_PER_TOPIC: Final = 64


class MemoryMissLog:
    """The newest miss records of the most recently used topics."""

    def __init__(self) -> None:
        self._topics: OrderedDict[str, deque[str]] = OrderedDict()
        self._lock = threading.Lock()

    def append_record(self, topic: str, record: str) -> None:
        with self._lock:
            self._topics.setdefault(topic, deque(maxlen=MAX_RECORDS_PER_TOPIC)).append(record)
            self._topics.move_to_end(topic)
            if len(self._topics) > MAX_LOG_TOPICS:
                self._topics.popitem(last=False)

    def read_records(self, topic: str) -> list[str]:
        with self._lock:
            return list(self._topics.get(topic, ()))

    def clear(self) -> None:
        with self._lock:
            self._topics.clear()


class MemoryCache:
    """A thread-safe LRU cache, bounded by number and bytes.

    Every hit is a copy of its own, by pickle or else `copy.deepcopy`: changes to it do not reach the cache.  With
    `max_bytes` a value that cannot be pickled is refused, because its size is unknown.  `max_size`: another name of
    `max_entries`.
    """

    def __init__(
        self, max_entries: int | None = None, max_bytes: int | None = None, *, max_size: int | None = None
    ) -> None:
        """Create an empty cache.  None: no bound.  Raises ConfigError for a bound below 1."""
        self.max_entries: Final = validate_bound("max_entries", max_entries if max_size is None else max_size)
        self.max_bytes: Final = validate_bound("max_bytes", max_bytes)
        self.evicted = 0
        self._entries: OrderedDict[str, IsolatedValue] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._miss_log = MemoryMissLog()
        self.append_record: Final = self._miss_log.append_record
        self.read_records: Final = self._miss_log.read_records

    def get(self, key: str) -> tuple[bool, Any]:
        with self._lock:
            kept = self._entries.get(key)
            if kept is None:
                return False, None
            self._entries.move_to_end(key)
        return True, kept.make_copy()

    def set(self, key: str, value: Any) -> None:
        """Store a value.  Raises Unstorable, after dropping the earlier value of the key."""
        with self._lock:
            self._remove(key)
        kept = isolate(value)
        if self.max_bytes is not None and (kept.size_bytes is None or kept.size_bytes > self.max_bytes):
            size = "a size that cannot be told" if kept.size_bytes is None else f"{kept.size_bytes} bytes"
            raise Unstorable(
                f"the value has {size}, and the cache holds max_bytes={self.max_bytes}",
                hint="raise max_bytes, or return something smaller",
            )
        with self._lock:
            self._remove(key)
            self._entries[key] = kept
            self._bytes += kept.size_bytes or 0
            while self._is_full():
                self._remove(next(iter(self._entries)))
                self.evicted += 1

    def clear(self) -> None:
        """Delete all values and miss records."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
        self._miss_log.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle: another process gets an empty cache with the same bounds."""
        return MemoryCache, (self.max_entries, self.max_bytes)

    def __repr__(self) -> str:
        return f"<MemoryCache {len(self)} entries, {self._bytes} bytes>"

    def _remove(self, key: str) -> None:
        kept = self._entries.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size_bytes or 0

    def _is_full(self) -> bool:
        too_many = self.max_entries is not None and len(self._entries) > self.max_entries
        return too_many or (self.max_bytes is not None and self._bytes > self.max_bytes)


def validate_bound(name: str, bound: int | None) -> int | None:
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 1):
        raise ConfigError(f"{name} is a whole number of at least 1 or None, not {bound!r}")
    return bound
