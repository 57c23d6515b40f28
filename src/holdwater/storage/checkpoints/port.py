"""Port of a checkpoint backend: append to the records of a run, load them, lock a run."""

from __future__ import annotations

from typing import Protocol


class RunLock(Protocol):
    """The exclusive lock of one run, and the right to append to its records.  Lost when its process ends."""

    def append(self, record: str) -> None:
        """Append one record, a line of text without its newline; it is durable when this returns.

        Raises StoreUnavailable if nothing was appended, RunInProgress if the lock was lost.
        """
        ...

    def renew(self) -> None:
        """Extend the lock by another lease, where it expires.  Raises StoreUnavailable, RunInProgress."""
        ...

    def release(self) -> None:
        """Release the lock.  Calling it again does nothing."""
        ...

    def after_fork_in_child(self) -> None:
        """Close, in a forked child, the descriptors of the parent without releasing its lock."""
        ...


class CheckpointBackend(Protocol):
    """Records by run.  Thread-safe.  `location`: the directory or server, for messages."""

    location: str

    def lock(self, run_id: str) -> RunLock:
        """Lock a run for this process.  Raises RunInProgress if another process has it, StoreUnavailable."""
        ...

    def load(self, run_id: str) -> list[str]:
        """Load the records of a run, oldest first; an empty list if there is no such run.  Raises StoreUnavailable."""
        ...

    def find_descendants(self, run_id: str) -> list[str]:
        """List the runs whose ids begin with this one's and a slash.  Raises StoreUnavailable."""
        ...

    def close(self) -> None: ...
