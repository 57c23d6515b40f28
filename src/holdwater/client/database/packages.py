"""Versions of packages and trusted keys of a database."""

from __future__ import annotations

from collections.abc import Sequence

from holdwater.client.database.server_only import server_required
from holdwater.client.interface.packages import PackageFile, Packages, TrustedKeys, UploadedArchive
from holdwater.model.releases import TrustedKey
from holdwater.operations import Database, releases, trusted_keys
from holdwater.operations.releases import ReleaseInfo


class DatabasePackages(Packages):
    """Versions of packages of a database, whose process carries out what is asked for."""

    def __init__(self, database: Database, author: str = "") -> None:
        self._database, self._author = database, author

    def upload(self, archive: bytes, signature: bytes | None = None, *, name: str = "package") -> UploadedArchive:
        server_required(
            "archives are uploaded to a server",
            "a daemon takes an archive from a folder that it watches; `holdwater serve` takes uploads",
        )

    def read_source(self, workflow: str, version: str | None = None) -> Sequence[PackageFile]:
        server_required("the source of packages is read by a server")

    def list_releases(self, package: str | None = None) -> Sequence[ReleaseInfo]:
        return releases.list_releases(self._database, package)

    def find_release(self, reference: str) -> ReleaseInfo:
        return releases.find_release(self._database, reference)

    def activate_release(self, release: str) -> ReleaseInfo:
        return releases.activate_release(self._database, release)

    def unpin_release(self, release: str) -> ReleaseInfo:
        return releases.unpin_release(self._database, release)

    def retry_release(self, release: str) -> ReleaseInfo:
        return releases.retry_release(self._database, release)

    def remove_release(self, found: ReleaseInfo, *, force: bool = False) -> ReleaseInfo:
        reason = f"package {found.package} {found.version} was removed by force, by {self._author}" if force else None
        return releases.remove_release(self._database, found.release, force_reason=reason)


class DatabaseTrustedKeys(TrustedKeys):
    """Trusted keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_keys(self) -> Sequence[TrustedKey]:
        return trusted_keys.list_trusted_keys(self._database)

    def trust_key(self, key: TrustedKey) -> TrustedKey:
        return trusted_keys.trust_key(self._database, key)

    def revoke_key(self, wanted: str) -> TrustedKey:
        return trusted_keys.revoke_key(self._database, wanted)
