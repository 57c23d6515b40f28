"""Registering a release: its signature is verified, its archive unpacked, and its package describes itself.

This takes long and may hang, so it is done in threads; nothing here changes the engine or the database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdwater.errors import ReleaseBroken
from holdwater.model.releases import ReleaseRow
from holdwater.packages.descriptor_comparison import check_built_descriptor
from holdwater.packages.engine_releases import EngineReleases
from holdwater.packages.installed import InstalledRelease
from holdwater.packages.loading import LoadedRelease
from holdwater.packages.registry import StoredArchive, WorkflowRegistry

VerifySignature = Callable[[StoredArchive], str]
"""returns the fingerprint of the key that has signed an archive, "" without a signature; raises TrustError"""


def accept_unsigned(stored: StoredArchive) -> str:
    """Accept every archive: no signature is looked at."""
    return ""


@dataclass(frozen=True, slots=True)
class RegisteredRelease:
    """A release that can be loaded.  `signed_by`: None if its signature was not looked at again."""

    installed: InstalledRelease
    descriptor: dict[str, Any]
    release: LoadedRelease
    signed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers releases of a registry on this machine.  Thread-safe."""

    registry: WorkflowRegistry
    releases: EngineReleases
    verify_signature: VerifySignature = accept_unsigned

    def register(self, row: ReleaseRow) -> RegisteredRelease:
        """Register a release, or take up one that is described and unpacked already.

        Raises HoldwaterError saying what is wrong with it, OSError.
        """
        installed = self.releases.find_installed(row.release)
        if installed is not None and row.descriptor is not None:
            return RegisteredRelease(installed, row.descriptor, self.releases.read(row.descriptor, installed))
        if row.state == "draining":  # its archive may be gone; what it has described does not change
            raise ReleaseBroken(f"the files of {row.package} {row.version} are gone, so its open runs do not move")
        stored = self.registry.get(row.package, row.version, release=row.release)
        signed_by = self.verify_signature(stored)
        installed = self.releases.install(stored.archive)
        descriptor = self.releases.describe(installed)
        check_built_descriptor(stored.archive, descriptor)
        return RegisteredRelease(installed, descriptor, self.releases.read(descriptor, installed), signed_by)
