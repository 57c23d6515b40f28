"""Versions of packages and the keys that sign them, wherever they are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdwater.model.releases import TrustedKey
from holdwater.operations.releases import ReleaseInfo


class Packages(ABC):
    """Versions of packages.  The methods raise ReleaseNotFound, ReleaseBroken, ReleaseDraining, InvalidTransition."""

    @abstractmethod
    def list_releases(self, package: str | None = None) -> Sequence[ReleaseInfo]:
        """List the versions by package, the newest first; `package`: those of one."""

    @abstractmethod
    def find_release(self, reference: str) -> ReleaseInfo:
        """Find a version: `PACKAGE==VERSION`, the beginning of its digits, or `PACKAGE` for its active one."""

    @abstractmethod
    def activate_release(self, release: str) -> ReleaseInfo:
        """Have new runs take this version from now on."""

    @abstractmethod
    def unpin_release(self, release: str) -> ReleaseInfo:
        """Let the highest version of its package be active again."""

    @abstractmethod
    def retry_release(self, release: str) -> ReleaseInfo:
        """Register a broken version again at once."""

    @abstractmethod
    def remove_release(self, found: ReleaseInfo, *, force: bool = False) -> ReleaseInfo:
        """Start nothing more of a version.  `force`: do not wait for its open runs."""


class TrustedKeys(ABC):
    """Keys whose signatures are accepted.  The methods raise TrustError."""

    @abstractmethod
    def list_keys(self) -> Sequence[TrustedKey]:
        """List the keys by name, revoked ones included."""

    @abstractmethod
    def trust_key(self, key: TrustedKey) -> TrustedKey:
        """Accept the signatures of a key from now on."""

    @abstractmethod
    def revoke_key(self, wanted: str) -> TrustedKey:
        """Accept no more signatures of a key, by its name or the beginning of its fingerprint."""
