"""A map with all versions of its values (MVCC): a reader sees the values of its version.

It only grows, so a snapshot is a number, and readers in other threads see a consistent state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdwater.model.values import StoredValue


class VersionedMap:
    """Versions of values by name, written in ascending order."""

    __slots__ = ("_versions",)

    def __init__(self) -> None:
        self._versions: dict[str, list[tuple[int, StoredValue | None]]] = {}

    def write(self, version: int, values: Mapping[str, StoredValue]) -> None:
        """Write values at a version."""
        for name, value in values.items():
            self._versions.setdefault(name, []).append((version, value))

    def remove(self, version: int, names: Iterable[str]) -> None:
        """Remove values at a version."""
        for name in names:
            self._versions.setdefault(name, []).append((version, None))

    def get(self, name: str, version: int) -> StoredValue | None:
        """Return the latest value up to a version; None if there is none."""
        for written, value in reversed(self._versions.get(name, ())):  # reads are of recent versions
            if written <= version:
                return value
        return None

    def names(self) -> list[str]:
        """Return all names ever written, in the order of their first writes."""
        return list(self._versions)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The immutable state of a map at a version."""

    source: VersionedMap
    version: int

    def get(self, name: str) -> StoredValue | None:
        """Return the value of a name; None if there is none."""
        return self.source.get(name, self.version)

    def names(self) -> list[str]:
        """Return the names that may have a value."""
        return self.source.names()
