"""A registry in memory: the archives that were built of a source, which the engine still needs."""

from __future__ import annotations

import threading
from typing import Final

from holdwater.errors import PackageUnsupported, ReleaseNotFound
from holdwater.model.ports.clock import Clock
from holdwater.model.time import Micros
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.registries.registry import RegistryEntry, RegistryListing, StoredArchive
from holdwater.packages.settings import ArchiveLimits

DEFAULT_LIMITS: Final = ArchiveLimits()


class SourceRegistry:
    """Archives by release.  Thread-safe.  `source`: the place they were built from, for people."""

    def __init__(self, source: str, clock: Clock, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
        self._source, self._clock, self._limits = source, clock, limits
        self._lock = threading.Lock()
        self._archives: dict[str, tuple[PackageArchive, Micros]] = {}

    def register(self, data: bytes, signature: bytes | None = None, *, by: str = "") -> str:
        """Keep an archive.  Raises PackageError, PackageUnsupported for a signed one."""
        if signature is not None:
            raise PackageUnsupported("source that is served while it is written has no signatures")
        archive = read_archive(data, self._limits)
        with self._lock:
            self._archives.setdefault(archive.release, (archive, self._clock.now()))
        return archive.release

    def get(self, package: str, version: str, *, release: str | None = None) -> StoredArchive:
        """Return an archive.  Raises ReleaseNotFound."""
        with self._lock:
            for archive, _ in self._archives.values():
                facts = archive.manifest
                if (facts.name, facts.version) == (package, version) and release in (None, archive.release):
                    return StoredArchive(archive)
        raise ReleaseNotFound(f"there is no version {version} of package {package!r}")

    def list(self) -> RegistryListing:
        """List the archives."""
        with self._lock:
            found = list(self._archives.values())
        entries = [
            RegistryEntry(
                release=archive.release,
                digest=archive.digest,
                package=archive.manifest.name,
                version=archive.manifest.version,
                source=self._source,
                changed_at=at,
            )
            for archive, at in found
        ]
        return RegistryListing(tuple(entries))

    def unregister(self, package: str, version: str) -> None:
        """Drop a version: its open runs go on.  Raises ReleaseNotFound."""
        release = self.get(package, version).archive.release
        with self._lock:
            self._archives.pop(release, None)

    def keep_only(self, releases: set[str]) -> None:
        """Drop all archives but these."""
        with self._lock:
            self._archives = {release: one for release, one in self._archives.items() if release in releases}

    def is_available(self, source: str) -> bool:
        """Return True: nothing here goes away by itself."""
        return True
