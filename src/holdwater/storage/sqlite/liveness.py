"""Which owners of work are alive, as one store can know."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Protocol

from holdwater.errors import StoreError, StoreUnavailable
from holdwater.storage.sqlite import lock_files
from holdwater.storage.sqlite.lock_files import LockFile

Liveness = Literal["ours", "alive", "dead"]


class OwnerLiveness(Protocol):
    """The owners registered through one store, and what it can tell of the others."""

    def register(self, owner: str) -> None: ...

    def unregister(self, owner: str) -> None: ...

    def liveness(self, owner: str) -> Liveness: ...

    def is_stopped(self, owner: str) -> bool:
        """Whether the process of a living owner was stopped by a signal, so that nothing of it runs."""
        ...

    def close(self) -> None:
        """Unregister every owner that is left."""
        ...

    def after_fork_in_child(self) -> None:
        """In a forked child: let go of what the parent holds."""
        ...


class InProcessOwners:
    """Of a database that no other process can see: who is not registered is dead."""

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
    """Of a database file: each owner holds a lock file next to it while it lives."""

    def __init__(self, database: Path) -> None:
        self._database: Final = database
        self._own_locks: Final[dict[str, LockFile]] = {}

    def register(self, owner: str) -> None:
        """Raises StoreError if somebody else is this owner, StoreUnavailable if the lock file cannot be made."""
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
