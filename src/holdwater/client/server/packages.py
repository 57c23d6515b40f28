"""Versions of packages and trusted keys of a tenant, and uploads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdwater.client.interface.packages import PackageFile, Packages, TrustedKeys, UploadedArchive
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant, instant_or_none
from holdwater.client.server.run_control import new_key
from holdwater.errors import ReleaseNotFound
from holdwater.model.releases import TrustedKey
from holdwater.model.time import to_rfc3339
from holdwater.operations.releases import ReleaseInfo, choose_release
from holdwater.operations.trusted_keys import choose_trusted_key

UPLOAD_SECONDS: Final = 600.0
"""longest wait for the answer to an upload"""
ARCHIVE_TYPE: Final = "application/octet-stream"


class ServerPackages(Packages):
    """Versions of packages of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def upload(self, archive: bytes, signature: bytes | None = None, *, name: str = "package") -> UploadedArchive:
        files = {"file": (name, archive, ARCHIVE_TYPE)}
        if signature is not None:
            files["signature"] = (f"{name}.sig", signature, ARCHIVE_TYPE)
        path = self._connection.path("workflows")
        return _uploaded_of(self._connection.send("POST", path, files=files, timeout=UPLOAD_SECONDS))

    def read_source(self, workflow: str, version: str | None = None) -> Sequence[PackageFile]:
        found = self._connection.get(self._connection.path("workflows", workflow, "source"), version=version)
        return [_file_of(one) for one in found["files"]]

    def list_releases(self, package: str | None = None) -> Sequence[ReleaseInfo]:
        return [_release_of(one) for one in self._connection.items(self._path(), package=package)]

    def find_release(self, reference: str) -> ReleaseInfo:
        return choose_release(self.list_releases(), reference)

    def activate_release(self, release: str) -> ReleaseInfo:
        return _release_of(self._connection.post(self._path(release, "activate")))

    def unpin_release(self, release: str) -> ReleaseInfo:
        return _release_of(self._connection.post(self._path(release, "unpin")))

    def retry_release(self, release: str) -> ReleaseInfo:
        return _release_of(self._connection.post(self._path(release, "retry")))

    def remove_release(self, found: ReleaseInfo, *, force: bool = False) -> ReleaseInfo:
        path = self._connection.path("workflows", found.package, found.version)
        self._connection.send("DELETE", path, params={"force": force or None})
        try:
            return _release_of(self._connection.get(self._path(found.release)))
        except ReleaseNotFound:  # it was gone at once
            return found

    def _path(self, *parts: str) -> str:
        return self._connection.path("releases", *parts)


class ServerTrustedKeys(TrustedKeys):
    """Trusted keys of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_keys(self) -> Sequence[TrustedKey]:
        return [_trusted_key_of(one) for one in self._connection.get(self._path())["items"]]

    def trust_key(self, key: TrustedKey) -> TrustedKey:
        expires_at = None if key.expires_at is None else to_rfc3339(key.expires_at)
        body = {"name": key.name, "public_key": key.public_key, "expires_at": expires_at}
        return _trusted_key_of(self._connection.post(self._path(), body, key=new_key()))

    def revoke_key(self, wanted: str) -> TrustedKey:
        found = choose_trusted_key(self.list_keys(), wanted)
        return _trusted_key_of(self._connection.send("DELETE", self._path(found.fingerprint)))

    def _path(self, *parts: str) -> str:
        return self._connection.path("trusted-keys", *parts)


@parsing
def _uploaded_of(data: Body) -> UploadedArchive:
    return UploadedArchive(
        release=data["package_id"],
        package=data["package_name"],
        version=data["version"],
        state=data["state"],
        workflows=tuple(data["workflows"]),
        error=data["error"],
        signed_by=data["signed_by"],
    )


@parsing
def _file_of(data: Body) -> PackageFile:
    return PackageFile(data["path"], data["size"], data["contents"] if data["is_shown"] else None)


@parsing
def _release_of(data: Body) -> ReleaseInfo:
    return ReleaseInfo(
        release=data["release"],
        digest=data["digest"],
        package=data["package_name"],
        version=data["version"],
        state=data["state"],
        workflows=tuple(data["workflows"]),
        is_pinned=data["pinned"],
        error=data["error"],
        attempts=data["attempts"],
        next_attempt_at=instant_or_none(data["next_attempt_at"]),
        source=data["source"],
        registered_by=data["registered_by"],
        signed_by=data["signed_by"],
        registered_at=instant(data["registered_at"]),
        changed_at=instant(data["changed_at"]),
        open_runs=data["open_runs"]["count"],
    )


@parsing
def _trusted_key_of(data: Body) -> TrustedKey:
    return TrustedKey(
        fingerprint=data["fingerprint"],
        name=data["name"],
        public_key=data["public_key"],
        added_by=data["added_by"],
        added_at=instant(data["added_at"]),
        expires_at=instant_or_none(data["expires_at"]),
        revoked_at=instant_or_none(data["revoked_at"]),
    )
