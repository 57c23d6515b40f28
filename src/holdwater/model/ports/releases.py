"""Storage of releases of packages."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.releases import ReleaseRow, TrustedKey


class ReleaseStore(Protocol):
    """The part of a store for releases, their archives and trusted keys.  Every method is one transaction."""

    def put_release(self, row: ReleaseRow, archive: bytes | None = None, signature: bytes | None = None) -> bool:
        """Write a release, if its `version_number` is that of the store (0: it is not there), which is counted up.

        `row` is left as it is: one that is written again is read before, or has its number counted up by the caller.
        `archive`: kept in the database with it, in place of an earlier one and its signature; None: what is kept stays,
        but that of a release that is gone is deleted.  Other stores of the database are told.
        Returns False, and writes nothing, if another process was faster, another release has its package and version,
        or a new one's package differs from another's, which is not gone, by case alone.
        Raises StoreUnavailable, StoreReadOnly.
        """
        ...

    def get_release(self, release: str) -> ReleaseRow | None: ...

    def list_releases(self, package: str | None = None) -> list[ReleaseRow]:
        """List releases by package and instant of registration; of one package, or of all."""
        ...

    def delete_release(self, release: str) -> None:
        """Delete a release with its archive; one that is not there is no error."""
        ...

    def get_archive(self, release: str) -> bytes | None: ...

    def get_archive_signature(self, release: str) -> bytes | None: ...

    def count_open_runs(self, release: str) -> int:
        """Count runs of a release that have not ended, paused ones included; at most 10,000."""
        ...

    def put_trusted_key(self, key: TrustedKey) -> None:
        """Write a trusted key, in place of the one of its fingerprint."""
        ...

    def list_trusted_keys(self) -> list[TrustedKey]:
        """List trusted keys by name and fingerprint, those that have expired or were revoked included."""
        ...

    def delete_trusted_key(self, fingerprint: str) -> None:
        """Delete a trusted key; one that is not there is no error."""
        ...
