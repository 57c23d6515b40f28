"""What a cache must be able to do, and what it may."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CacheBackend(Protocol):
    """A store of values by key that many threads may use at once.

    A value must come back equal and independent: changing what `get` gave must not change what it gives next time.
    """

    def get(self, key: str) -> tuple[bool, Any]:
        """`(True, value)`, or `(False, None)` if there is none."""

    def set(self, key: str, value: Any) -> None:
        """Keep the value.  Raises Unstorable if that cannot be."""


Cache = CacheBackend


@runtime_checkable
class MissLog(Protocol):
    """Short texts by topic, the newest of them.  A backend that has these explains misses across processes too."""

    def append_record(self, topic: str, record: str) -> None:
        """Add a text of one line; the oldest of the topic may be forgotten."""

    def read_records(self, topic: str) -> list[str]:
        """The texts of a topic, oldest first."""
