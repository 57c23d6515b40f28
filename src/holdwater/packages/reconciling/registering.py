"""Registering a release: its signature is verified, its archive unpacked, and its package describes itself.

This takes long and may hang, so it is done in threads; nothing here changes the engine or the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from holdwater.errors import ReleaseBroken
from holdwater.model.releases import ReleaseRow
from holdwater.packages.descriptors.descriptor_comparison import check_built_descriptor
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.programs.loading import LoadedRelease
from holdwater.packages.reconciling.engine_releases import EngineReleases
from holdwater.packages.registries.registry import StoredArchive, WorkflowRegistry


class VerifySignature(Protocol):
    """A rule for signatures.  `is_required`: an archive without one is refused."""

    @property
    def is_required(self) -> bool: ...

    def __call__(self, stored: StoredArchive) -> str:
        """Return the fingerprint of the key that has signed an archive, "" without a signature.  Raises TrustError."""
        ...


@dataclass(frozen=True, slots=True)
class AcceptUnsigned:
    """Accepts every archive: no signature is looked at."""

    is_required: bool = field(default=False, init=False)

    def __call__(self, stored: StoredArchive) -> str:
        return ""


ACCEPT_UNSIGNED: Final = AcceptUnsigned()


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
    verify_signature: VerifySignature = ACCEPT_UNSIGNED

    def register(self, row: ReleaseRow) -> RegisteredRelease:
        """Register a release, or take up one that is described and unpacked already.

        One that came without a signature is not taken up where they are required by now.
        Raises HoldwaterError saying what is wrong with it, OSError.
        """
        installed = self.releases.find_installed(row.release)
        is_accepted = bool(row.signed_by) or not self.verify_signature.is_required
        if installed is not None and row.descriptor is not None and is_accepted:
            return RegisteredRelease(installed, row.descriptor, self.releases.read(row.descriptor, installed))
        if row.state == "draining":  # its archive may be gone; what it has described does not change
            why = "are gone" if installed is None else "have no signature, which is required now"
            raise ReleaseBroken(f"the files of {row.package} {row.version} {why}, so its open runs do not move")
        stored = self.registry.get(row.package, row.version, release=row.release)
        signed_by = self.verify_signature(stored)
        installed = self.releases.install(stored.archive)
        descriptor = self.releases.describe(installed)
        check_built_descriptor(stored.archive, descriptor)
        return RegisteredRelease(installed, descriptor, self.releases.read(descriptor, installed), signed_by)
