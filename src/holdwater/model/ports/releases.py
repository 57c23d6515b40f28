"""Storage of releases of packages."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.releases import ReleaseRow, TrustedKey


class ReleaseStore(Protocol):
    """The part of a store for releases, their archives and trusted keys.  Every method is one transaction."""

    def put_release(self, row: ReleaseRow) -> bool:
        """Write a release, if its `version_number` is that of the store (0: it is not there), and count it up.

        Returns False, and writes nothing, if another process was faster, or another release has its package and
        version.  Raises StoreUnavailable, StoreReadOnly.
        """
        ...

    def get_release(self, release: str) -> ReleaseRow | None: ...

    def list_releases(self, package: str | None = None) -> list[ReleaseRow]:
        """List releases by package and instant of registration; of one package, or of all."""
        ...

    def delete_release(self, release: str) -> None:
        """Delete a release with its archive; one that is not there is no error."""
        ...

    def put_archive(self, release: str, data: bytes) -> None:
        """Keep the archive of a release in the database."""
        ...

    def get_archive(self, release: str) -> bytes | None: ...

    def count_open_runs(self, release: str) -> int:
        """Count runs of a release that have not ended, paused ones included; at most 10,000."""
        ...

    def put_trusted_key(self, key: TrustedKey) -> None:
        """Write a trusted key, in place of the one of its fingerprint."""
        ...

    def list_trusted_keys(self) -> list[TrustedKey]: ...

    def delete_trusted_key(self, fingerprint: str) -> None: ...
