"""Liveness of the owners of work in a SQLite or memory store."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Protocol

from holdwater.errors import StoreError, StoreUnavailable
from holdwater.storage.sqlite import lock_files
from holdwater.storage.sqlite.lock_files import LockFile

Liveness = Literal["ours", "alive", "dead"]


class OwnerLiveness(Protocol):
    """The owners registered through one store, and the liveness of all others."""

    def register(self, owner: str) -> None: ...

    def unregister(self, owner: str) -> None: ...

    def liveness(self, owner: str) -> Liveness: ...

    def is_stopped(self, owner: str) -> bool:
        """Return True if the process of a living owner was stopped by a signal (SIGSTOP) and executes nothing."""
        ...

    def close(self) -> None:
        """Unregister all owners of this store."""
        ...

    def after_fork_in_child(self) -> None:
        """Close, in a forked child, the parent's lock files without releasing the locks."""
        ...


class InProcessOwners:
    """Owners of a database that no other process can open: an owner that is not registered is dead."""

    def __init__(self) -> None:
        self._own_ids: Final[set[str]] = set()

    def register(self, owner: str) -> None:
        self._own_ids.add(owner)

    def unregister(self, owner: str) -> None:
        self._own_ids.discard(owner)

    def liveness(self, owner: str) -> Liveness:
        return "ours" if owner in self._own_ids else "dead"

    def is_stopped(self, owner: str) -> bool:
        return False

    def close(self) -> None:
        self._own_ids.clear()

    def after_fork_in_child(self) -> None:
        self._own_ids.clear()


class LockFileOwners:
    """Owners of a database file: each holds a lock file next to it while its process lives."""

    def __init__(self, database: Path) -> None:
        self._database: Final = database
        self._own_locks: Final[dict[str, LockFile]] = {}

    def register(self, owner: str) -> None:
        """Lock the owner's file.  Raises StoreError if another process has it, StoreUnavailable if that fails."""
        if owner in self._own_locks:
            return
        path = lock_files.lock_file_path(self._database, owner)
        try:
            held = lock_files.try_acquire(path)
        except OSError as error:
            raise StoreUnavailable(
                f"the lock file {path} cannot be created: {error}",
                hint="the directory must be writable and allow locks",
            ) from error
        if held is None:
            raise StoreError(f"owner {owner!r} is alive elsewhere: its lock file {path} is held")
        self._own_locks[owner] = held

    def unregister(self, owner: str) -> None:
        held = self._own_locks.pop(owner, None)
        if held is not None:
            held.release()

    def liveness(self, owner: str) -> Liveness:
        if owner in self._own_locks:
            return "ours"
        return "dead" if lock_files.is_free(lock_files.lock_file_path(self._database, owner)) else "alive"

    def is_stopped(self, owner: str) -> bool:
        return lock_files.is_holder_stopped(lock_files.lock_file_path(self._database, owner))

    def close(self) -> None:
        for owner in list(self._own_locks):
            self.unregister(owner)

    def after_fork_in_child(self) -> None:
        for held in self._own_locks.values():
            held.close_inherited()
        self._own_locks.clear()
