"""The registry of packages: which versions there are, wherever they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from holdwater.model.time import UNSET, Micros
from holdwater.packages.archives.archive import PackageArchive


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A version of a package that a registry has.

    `release`: the first 16 hex digits of `digest`, the SHA-256 of the archive.  `source`: the file it is in, "" for a
    database.  `changed_at`: when it came there.
    """

    release: str
    digest: str
    package: str
    version: str
    source: str = ""
    changed_at: Micros = UNSET


@dataclass(frozen=True, slots=True)
class RejectedArchive:
    """A file that is no package, or not one this engine executes.  `error`: why."""

    source: str
    error: str


@dataclass(frozen=True, slots=True)
class RegistryListing:
    """The content of a registry at one moment.  Two entries may have one package and version, and other content."""

    entries: tuple[RegistryEntry, ...] = ()
    rejected: tuple[RejectedArchive, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive as a registry keeps it.  `signature`: the bytes beside it, None without any."""

    archive: PackageArchive
    signature: bytes | None = None


class WorkflowRegistry(Protocol):
    """Versions of packages.  Thread-safe."""

    def register(self, data: bytes, signature: bytes | None = None, *, by: str = "") -> str:
        """Keep an archive; returns its release.  The same content again changes nothing.

        `by`: its author, as `cli:alice`.
        Raises PackageError for an archive that cannot be used, VersionExists, OSError, StoreUnavailable.
        """
        ...

    def get(self, package: str, version: str, *, release: str | None = None) -> StoredArchive:
        """Read an archive.  `release`: the one that is meant, where there are two of a version.

        Raises ReleaseNotFound, PackageError, StoreUnavailable.
        """
        ...

    def list(self) -> RegistryListing:
        """List all versions.  Raises StoreUnavailable."""
        ...

    def unregister(self, package: str, version: str) -> None:
        """Remove a version: it starts nothing more, and is gone when its last open run has ended.

        Raises ReleaseNotFound, OSError, StoreUnavailable.
        """
        ...

    def is_available(self, source: str) -> bool:
        """Return False if what is kept there cannot be seen now, so that its absence from a list says nothing."""
        ...
