"""Storage of concurrency limits."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.limits import ConcurrencyLimit, LimitedWork
from holdwater.model.records import WorkRow


class LimitStore(Protocol):
    """The part of a store for concurrency limits.  Raises StoreUnavailable, StoreReadOnly."""

    def put_limit(self, limit: ConcurrencyLimit) -> None:
        """Write a limit, in place of the one of its key, and have the tasks there are count towards it."""
        ...

    def delete_limit(self, key: str) -> bool:
        """Delete a limit; False if it is not there."""
        ...

    def list_limits(self) -> list[ConcurrencyLimit]:
        """List limits by key."""
        ...

    def count_limited_work(self) -> list[LimitedWork]:
        """Count the tasks of each set of keys, those of paused runs not."""
        ...

    def list_held_work(self, limit: int) -> list[WorkRow]:
        """List leased tasks with keys of limits, the oldest due first, so many at most."""
        ...
