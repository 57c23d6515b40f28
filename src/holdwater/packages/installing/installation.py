"""Releases on this machine: archives unpacked below `HOME/releases/DIGEST`, with their wheels in an environment.

`files/`: the files of the archive; `venv/`: the virtual environment, if it has wheels; `installed.json`: written last,
so that a release whose installation was interrupted is installed anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from holdwater.errors import ReleaseNotFound
from holdwater.model.claim_keys import RELEASE_DIGITS
from holdwater.packages.installing.hostlib import prepare_hostlib
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.installing.interpreters import choose_interpreter
from holdwater.packages.installing.virtual_environment import make_environment
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.manifests.manifest_data import manifest_from_data, manifest_to_data
from holdwater.packages.manifests.requirement_rules import check_engine_version
from holdwater.packages.settings import PackageSettings

FORMAT: Final = 1
_FOLDER_MODE: Final = 0o755
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_RECORD: Final = "installed.json"


class InstallableArchive(Protocol):
    """An archive that was judged, as `packages.archives.archive.PackageArchive`."""

    @property
    def digest(self) -> str: ...

    @property
    def manifest(self) -> PackageManifest: ...

    def extract_to(self, folder: Path) -> None:
        """Write the files into a folder that is not there yet."""
        ...


def install(archive: InstallableArchive, home: Path, settings: PackageSettings) -> InstalledRelease:
    """Unpack an archive below `home`, and install its wheels; one that is installed is returned as it is.

    No code of the package is executed.  Raises PackageUnsupported if there is no interpreter for it, or it requires
    another version of this library; PackageBuildError if its wheels cannot be installed; OSError.
    """
    check_engine_version(archive.manifest)
    prepare_hostlib(settings.hostlib_home or home)
    folder = home / "releases" / archive.digest
    with _locked(folder):
        found = _read_record(folder)
        if found is not None:
            return found
        _clear(folder)
        archive.extract_to(folder / "files")
        python = choose_interpreter(archive.manifest, settings)
        made = make_environment(archive.manifest, folder / "files", folder / "venv", python, settings)
        installed = InstalledRelease(
            release=archive.digest[:RELEASE_DIGITS],
            digest=archive.digest,
            manifest=archive.manifest,
            folder=folder / "files",
            python=python if made is None else str(made),
        )
        _write_record(folder, installed)
        return installed


def installed_digests(home: Path, release: str = "") -> list[str]:
    """List the digests of what is unpacked below `home`, sorted, of one release or of all.  Raises OSError.

    One whose installation was interrupted is among them.
    """
    folder = home / "releases"
    if not folder.is_dir():
        return []
    return sorted([name for name in os.listdir(folder) if _DIGEST.fullmatch(name) and name.startswith(release)])


def installed_releases(home: Path) -> list[InstalledRelease]:
    """List the releases that are installed below `home`, by digest.  Raises OSError."""
    found = [_read_record(home / "releases" / digest) for digest in installed_digests(home)]
    return [one for one in found if one is not None]


def find_installed(release: str, home: Path) -> InstalledRelease:
    """Find an installed release by its digits.  Raises ReleaseNotFound, OSError."""
    for digest in installed_digests(home, release):
        found = _read_record(home / "releases" / digest)
        if found is not None and found.release == release:
            return found
    raise ReleaseNotFound(f"release {release} is not installed below {home}")


def uninstall(release: str, home: Path) -> None:
    """Remove the files of a release, whose hosts have ended; one that is not there is no error.  Raises OSError."""
    for digest in installed_digests(home, release):
        folder = home / "releases" / digest
        if digest[:RELEASE_DIGITS] == release:
            with _locked(folder):
                (folder / _RECORD).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=False)
            _lock_path(folder).unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove what an installation has left that did not come to its end."""
    for leftover in folder.iterdir():
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder of a release, which no other process installs or removes meanwhile."""
    for place in (folder.parent.parent, folder.parent):
        place.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(_FOLDER_MODE)
    while True:
        with open(_lock_path(folder), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_current(lock.fileno(), _lock_path(folder)):  # removed while this process waited
                continue
            folder.mkdir(exist_ok=True)
            folder.chmod(_FOLDER_MODE)
            yield
            return


def _lock_path(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


def _is_current(lock_fd: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock_fd), path.stat())
    return False


def _read_record(folder: Path) -> InstalledRelease | None:
    """Read the record of a release; None if there is none that can be used: it is installed anew."""
    try:
        data = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if data["format"] != FORMAT or not Path(data["python"]).exists():
            return None  # of another version of this library, or its interpreter is gone
        return InstalledRelease(
            release=folder.name[:RELEASE_DIGITS],
            digest=folder.name,
            manifest=manifest_from_data(data["manifest"]),
            folder=folder / "files",
            python=data["python"],
        )
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # the last three: a damaged file
        return None


def _write_record(folder: Path, installed: InstalledRelease) -> None:
    data = {"format": FORMAT, "python": installed.python, "manifest": manifest_to_data(installed.manifest)}
    draft = folder / f".{_RECORD}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / _RECORD)
