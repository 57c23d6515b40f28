"""Who wrote what when: values by name with all their versions, of which each reader sees those of its time.

It only grows, so that a step's view of it is a number.  A reader in another thread sees a consistent past.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdwater.model.values import Stored


class VersionedMap:
    """Versions by name.  Instants are given in rising order."""

    __slots__ = ("_versions",)

    def __init__(self) -> None:
        self._versions: dict[str, list[tuple[int, Stored | None]]] = {}

    def write(self, version: int, values: Mapping[str, Stored]) -> None:
        """Write these values."""
        for name, value in values.items():
            self._versions.setdefault(name, []).append((version, value))

    def remove(self, version: int, names: Iterable[str]) -> None:
        """From then on there are no such values."""
        for name in names:
            self._versions.setdefault(name, []).append((version, None))

    def get(self, name: str, version: int) -> Stored | None:
        """The latest version of that time; None if there is none."""
        for written, value in reversed(self._versions.get(name, ())):  # whoever asks, asks for the latest, or nearly
            if written <= version:
                return value
        return None

    def names(self) -> list[str]:
        """All names there ever were, in the order in which they were first written."""
        return list(self._versions)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A timeline as it was at an instant: it never changes."""

    source: VersionedMap
    version: int

    def get(self, name: str) -> Stored | None:
        """The value of that time."""
        return self.source.get(name, self.version)

    def names(self) -> list[str]:
        """Names that may have a value."""
        return self.source.names()
