"""A registry in the database: rows of releases, their archives and signatures."""

from __future__ import annotations

from typing import Final

from holdwater.errors import ManifestError, ReleaseNotFound, StoreUnavailable, VersionExists
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.releases import ReleaseStore
from holdwater.model.releases import ReleaseRow
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.registries.registry import RegistryEntry, RegistryListing, StoredArchive
from holdwater.packages.settings import ArchiveLimits

DEFAULT_LIMITS: Final = ArchiveLimits()
_MAX_WRITE_ATTEMPTS: Final = 50
"""attempts of a change that conflicts with those of other processes"""


class DatabaseWorkflowRegistry:
    """The archives in a database, with their signatures.  Thread-safe."""

    def __init__(self, store: ReleaseStore, clock: Clock, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
        self._store, self._clock, self.limits = store, clock, limits

    def list(self) -> RegistryListing:
        """List the releases of the database that are not being removed.  Raises StoreUnavailable."""
        return RegistryListing(
            tuple([
                RegistryEntry(
                    release=row.release, digest=row.digest, package=row.package, version=row.version,
                    changed_at=row.registered_at,
                )
                for row in self._store.list_releases()
                if row.state not in ("draining", "gone")
            ])
        )  # fmt: skip

    def register(self, data: bytes, signature: bytes | None = None, *, by: str = "") -> str:
        """Write an archive, its signature and its row.  Raises PackageError, VersionExists, StoreUnavailable."""
        archive = read_archive(data, self.limits)
        self.add(StoredArchive(archive, signature), by=by)
        return archive.release

    def add(self, stored: StoredArchive, *, by: str = "") -> bool:
        """Write an archive that was judged, its signature and its row, in one transaction; False if it is there.

        One that is broken, or is being removed, is registered again.
        Raises PackageError, VersionExists, StoreUnavailable.
        """
        archive, manifest = stored.archive, stored.archive.manifest
        for _ in range(_MAX_WRITE_ATTEMPTS):
            row = self._store.get_release(archive.release)
            if row is not None and row.state not in ("draining", "gone", "broken"):
                return False
            is_new = row is None or row.state != "broken"
            if row is None:
                self._check_name(manifest.name)
                self._free_version(manifest.name, manifest.version)
                row = ReleaseRow(archive.release, archive.digest, manifest.name, manifest.version)
            row.state, row.error, row.attempts, row.next_attempt_at = "registering", None, 0, None
            row.source, row.registered_by = "", by
            row.registered_at = row.changed_at = self._clock.now()
            if self._store.put_release(row, archive.data, stored.signature):
                return is_new
        raise StoreUnavailable(f"package {manifest.name!r} is being changed too often to be changed here")

    def _check_name(self, package: str) -> None:
        """Raise ManifestError if the name of another package differs by case alone."""
        for row in self._store.list_releases():
            if row.package != package and row.package.casefold() == package.casefold() and row.state != "gone":
                raise ManifestError(
                    f"the name {package!r} differs from that of package {row.package!r} by case alone",
                    hint="names of packages are unique whatever their case",
                )

    def _free_version(self, package: str, version: str) -> None:
        """Forget a release of this version that is gone.  Raises VersionExists for one that is not."""
        for row in self._store.list_releases(package):
            if row.version == version and row.state == "gone":
                self._store.delete_release(row.release)
            elif row.version == version:
                raise VersionExists(
                    f"there is another archive of version {version} of package {package!r}",
                    hint="raise the version" + ("" if row.state != "draining" else ", or wait until that one is gone"),
                )

    def get(self, package: str, version: str, *, release: str | None = None) -> StoredArchive:
        """Read the archive of a version.  Raises ReleaseNotFound, PackageError, StoreUnavailable."""
        wanted = self._find(package, version).release if release is None else release
        data = self._store.get_archive(wanted)
        if data is None:
            raise ReleaseNotFound(f"the archive of version {version} of package {package!r} is not in the database")
        return StoredArchive(read_archive(data, self.limits), self._store.get_archive_signature(wanted))

    def _find(self, package: str, version: str) -> ReleaseRow:
        for row in self._store.list_releases(package):
            if row.version == version:
                return row
        raise ReleaseNotFound(f"there is no version {version} of package {package!r}")

    def unregister(self, package: str, version: str) -> None:
        """Let the runs of a version end, and start nothing more of it.  Raises ReleaseNotFound, StoreUnavailable."""
        for _ in range(_MAX_WRITE_ATTEMPTS):
            row = self._find(package, version)
            if row.state in ("draining", "gone"):
                return
            row.state, row.pinned, row.changed_at = "draining", False, self._clock.now()
            if self._store.put_release(row):
                return
        raise StoreUnavailable(f"package {package!r} is being changed too often to be changed here")

    def is_available(self, source: str) -> bool:
        """Return False for what came from a file; a database that cannot be read raises StoreUnavailable."""
        return not source
