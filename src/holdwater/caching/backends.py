"""Port of a cache: the values, and an optional log that explains misses."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CacheBackend(Protocol):
    """A thread-safe store of values by key.

    `get` must return an equal and independent value: changes to one returned value must not show in the next.
    """

    def get(self, key: str) -> tuple[bool, Any]:
        """Return `(True, value)`, or `(False, None)` if the key is not stored."""

    def set(self, key: str, value: Any) -> None:
        """Store a value.  Raises Unstorable if it can be neither pickled nor copied, or is too large."""


@runtime_checkable
class MissLog(Protocol):
    """The newest short texts of each topic.  A backend that implements it explains misses of other processes, too."""

    def append_record(self, topic: str, record: str) -> None:
        """Add a text of one line; the oldest ones of the topic may be dropped."""

    def read_records(self, topic: str) -> list[str]:
        """Return the texts of a topic, oldest first."""
