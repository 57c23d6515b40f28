"""Versions of packages and the keys that sign them, wherever they are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from holdwater.model.releases import TrustedKey
from holdwater.model.time import from_datetime
from holdwater.operations.releases import ReleaseInfo
from holdwater.packages.signatures.signing_keys import parse_public_key, trusted_key


@dataclass(frozen=True, slots=True)
class UploadedArchive:
    """A version of a package that a server has taken.

    `state`: registering, until its modules were imported; `workflows` are not known until then.  `error`: the reason
    why it is broken.  `signed_by`: fingerprint of the key, "" without a signature.
    """

    release: str
    package: str
    version: str
    state: str
    workflows: tuple[str, ...]
    error: str | None
    signed_by: str


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a package.  `size`: bytes.  `text`: None for one that is no text, or has more than 1 MB."""

    path: str
    size: int
    text: str | None


class Packages(ABC):
    """Versions of packages.  The methods raise ReleaseNotFound, ReleaseBroken, ReleaseDraining, InvalidTransition."""

    @abstractmethod
    def upload(self, archive: bytes, signature: bytes | None = None, *, name: str = "package") -> UploadedArchive:
        """Send an archive to a server, with the text of the signature beside it.  `name`: of its file, for errors.

        An archive that is there already is no error.  Raises ArchiveError, ManifestError (PackageErrors), TrustError,
        VersionExists, WorkflowTaken; ServerRequired on a database.
        """

    @abstractmethod
    def read_source(self, workflow: str, version: str | None = None) -> Sequence[PackageFile]:
        """Read the files of the package of a workflow; `version`: None: of the active one.

        Raises WorkflowNotFound, ReleaseNotFound for code of a runner; ServerRequired on a database.
        """

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

    def trust_public_key(self, public_key: str, name: str, *, expires_at: datetime | None = None) -> TrustedKey:
        """Accept the signatures of a public key: the text of a `.pub` file (PEM), or its 32 bytes in base64.

        `expires_at`: without a zone: local time; None: it has no end.  Raises ConfigError without the extra `packages`.
        """
        end = None if expires_at is None else from_datetime(expires_at)
        return self.trust_key(trusted_key(parse_public_key(public_key.encode(), name), name, expires_at=end))

    @abstractmethod
    def revoke_key(self, wanted: str) -> TrustedKey:
        """Accept no more signatures of a key, by its name or the beginning of its fingerprint."""
