"""What a place for the records of runs has to offer: append, load, lock."""

from __future__ import annotations

from typing import Protocol


class RunLock(Protocol):
    """The right to append to one run's records.  One process has it at a time, and loses it when it ends."""

    def append(self, record: str) -> None:
        """Add one record, a line of text without its end; it is safe when this returns.

        Raises StoreUnavailable, and nothing was added; RunInProgress if the right was lost.
        """
        ...

    def renew(self) -> None:
        """Keep the right for another lease, where it expires.  Raises StoreUnavailable, RunInProgress."""
        ...

    def release(self) -> None:
        """Give the right back.  Calling it again does nothing."""
        ...

    def after_fork_in_child(self) -> None:
        """In a forked child: let go of what is the parent's."""
        ...


class CheckpointBackend(Protocol):
    """Records by run.  Thread-safe.  `place`: where they are, for messages."""

    location: str

    def lock(self, run_id: str) -> RunLock:
        """Raises RunInProgress if another process has the run, StoreUnavailable."""
        ...

    def load(self, run_id: str) -> list[str]:
        """The records of a run, oldest first; none for a run that is not there.  Raises StoreUnavailable."""
        ...

    def find_descendants(self, run_id: str) -> list[str]:
        """Runs whose ids are this one's and more behind a slash.  Raises StoreUnavailable."""
        ...

    def close(self) -> None: ...
