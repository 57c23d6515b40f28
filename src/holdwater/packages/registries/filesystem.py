"""A registry in folders: every complete archive in them is registered."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from holdwater.errors import PackageError, ReleaseNotFound, VersionExists
from holdwater.model.error_report import describe_error
from holdwater.model.time import Micros
from holdwater.packages.archives.archive import read_archive, read_regular_file
from holdwater.packages.registries.registry import (
    RegistryEntry,
    RegistryListing,
    RejectedArchive,
    StoredArchive,
)
from holdwater.packages.registries.settled_files import FileStamp
from holdwater.packages.registries.watching import ARCHIVE_SUFFIX
from holdwater.packages.settings import ArchiveLimits

logger = logging.getLogger("holdwater.packages")

SIGNATURE_SUFFIX: Final = ".sig"
"""a signature lies beside its archive: `orders-1.2.0.cloacina.sig`"""
MAX_SIGNATURE_BYTES: Final = 64 * 1024
DEFAULT_LIMITS: Final = ArchiveLimits()


class FolderFiles(Protocol):
    """The complete archives in folders, as a `PackageWatcher` or `ScannedFolder` finds them."""

    def files(self) -> dict[Path, FileStamp]:
        """Return the complete archives, with their stamps."""
        ...

    def is_available(self, path: Path) -> bool:
        """Return False if it cannot be known now whether a file is there."""
        ...


class FilesystemWorkflowRegistry:
    """The archives in folders, as `watcher` finds them.  Thread-safe.

    `home`: the folder that `register` writes to.  An archive is read once, when its file is complete.
    """

    def __init__(self, home: Path, watcher: FolderFiles, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
        self._home, self._watcher, self.limits = home, watcher, limits
        self._known: Mapping[tuple[Path, FileStamp], RegistryEntry | RejectedArchive] = {}
        self._changing: frozenset[Path] = frozenset()
        """files that have changed while they were read"""

    def list(self) -> RegistryListing:
        """List the archives in the folders; of two files with equal content, the newer one."""
        known = self._known
        files = self._watcher.files()
        found = {(path, stamp): known.get((path, stamp)) or self._read(path, stamp) for path, stamp in files.items()}
        self._known = {key: one for key, one in found.items() if one is not None}
        self._changing = frozenset([path for (path, _), one in found.items() if one is None])
        entries: dict[str, RegistryEntry] = {}
        for one in self._known.values():
            if isinstance(one, RegistryEntry):
                same = entries.get(one.release)
                if same is None or (one.changed_at, one.source) > (same.changed_at, same.source):
                    entries[one.release] = one
        rejected = [one for one in self._known.values() if isinstance(one, RejectedArchive)]
        return RegistryListing(tuple(entries.values()), tuple(rejected))

    def _read(self, path: Path, stamp: FileStamp) -> RegistryEntry | RejectedArchive | None:
        """Read the file of an archive; None if it has changed meanwhile: then it is not complete."""
        try:
            archive = read_archive(path, self.limits)
            if not _has_stamp(path, stamp):
                return None
        except Exception as error:  # an archive from a stranger, whatever is wrong with it, does not stop the others
            if not _has_stamp(path, stamp):
                return None
            is_expected = isinstance(error, (PackageError, OSError))
            logger.warning("%s cannot be used: %s", path, error, exc_info=None if is_expected else error)
            return RejectedArchive(str(path), str(error) if is_expected else describe_error(error))
        manifest = archive.manifest
        return RegistryEntry(
            release=archive.release, digest=archive.digest, package=manifest.name, version=manifest.version,
            source=str(path), changed_at=Micros(stamp.modified_ns // 1000),
        )  # fmt: skip

    def get(self, package: str, version: str, *, release: str | None = None) -> StoredArchive:
        """Read the archive of a version.  Raises ReleaseNotFound, PackageError, OSError."""
        entry = self._find(package, version, lambda one: release is None or one.release == release)
        path = Path(entry.source)
        archive = read_archive(path, self.limits)
        if archive.release != entry.release:
            raise ReleaseNotFound(f"{path} has just been replaced, and is read again when it is complete")
        return StoredArchive(archive, read_signature(path))

    def _find(self, package: str, version: str, takes: Callable[[RegistryEntry], bool]) -> RegistryEntry:
        for entry in self.list().entries:
            if (entry.package, entry.version) == (package, version) and takes(entry):
                return entry
        raise ReleaseNotFound(f"no watched folder has version {version} of package {package!r}")

    def register(self, data: bytes, signature: bytes | None = None, *, by: str = "") -> str:
        """Write an archive to the home folder.  Raises PackageError, VersionExists, OSError."""
        archive = read_archive(data, self.limits)
        manifest = archive.manifest
        for entry in self.list().entries:
            if (entry.package, entry.version) == (manifest.name, manifest.version) and entry.release != archive.release:
                raise VersionExists(
                    f"there is another archive of version {manifest.version} of package {manifest.name!r}: "
                    f"{entry.source}",
                    hint="raise the version, or remove that one",
                )
        path = self._home / f"{manifest.name}-{manifest.version}{ARCHIVE_SUFFIX}"
        if signature is not None:
            write_file(path.with_name(path.name + SIGNATURE_SUFFIX), signature)
        write_file(path, data)
        return archive.release

    def unregister(self, package: str, version: str) -> None:
        """Delete the files of a version, and their signatures.  Raises ReleaseNotFound, OSError."""
        self._find(package, version, lambda one: True)
        for (path, _), one in self._known.items():
            if isinstance(one, RegistryEntry) and (one.package, one.version) == (package, version):
                remove_archive_file(path)

    def is_available(self, source: str) -> bool:
        """Return False if the folder of a file cannot be read, or the file is not complete yet, and without a file."""
        path = Path(source)
        return bool(source) and path not in self._changing and self._watcher.is_available(path)


def read_signature(path: Path) -> bytes | None:
    """Read the signature beside an archive; None without one.  Raises ArchiveError for a pipe or a device, OSError."""
    try:
        return read_regular_file(path.with_name(path.name + SIGNATURE_SUFFIX), MAX_SIGNATURE_BYTES)
    except FileNotFoundError:
        return None


def remove_archive_file(path: Path) -> None:
    """Delete an archive with its signature; files that are not there are no error.  Raises OSError."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + SIGNATURE_SUFFIX).unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.  Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _has_stamp(path: Path, stamp: FileStamp) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    return FileStamp(facts.st_mtime_ns, facts.st_size, facts.st_ino) == stamp
