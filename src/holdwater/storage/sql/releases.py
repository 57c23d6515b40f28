"""Releases of packages, their archives and trusted keys, on every SQL database."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Any, Final, Protocol

from holdwater.model.records import COUNT_LIMIT_RUNS
from holdwater.model.releases import ReleaseRow, TrustedKey
from holdwater.storage.sql import queries
from holdwater.storage.sql.rows import Row
from holdwater.storage.sql.text_escaping import escape_text

_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class ReleaseStatements(queries.RunQueryStatements, Protocol):
    """The statements of releases in a dialect's module of statements."""

    COUNT_OPEN_RUNS: str
    DELETE_RELEASE: str
    DELETE_RELEASE_ARCHIVE: str
    DELETE_TRUSTED_KEY: str
    GET_RELEASE: str
    GET_RELEASE_ARCHIVE: str
    INSERT_RELEASE: str
    LIST_RELEASES: str
    LIST_RELEASES_OF_PACKAGE: str
    LIST_TRUSTED_KEYS: str
    PUT_RELEASE_ARCHIVE: str
    PUT_TRUSTED_KEY: str
    UPDATE_RELEASE: str


class SQLReleases(queries.RunQueries):
    """The part of a store for releases."""

    _sql: ReleaseStatements

    @abstractmethod
    def _write_release(self, first: tuple[str, Row], *rest: tuple[str, Row]) -> bool:
        """Execute statements in one transaction, and tell other stores; False if the first one changes no row.

        Then no other is executed.
        """

    @abstractmethod
    def _write_rows(self, *statements: tuple[str, Row]) -> int:
        """Execute statements in one transaction; returns the number of rows the last one has changed."""

    def put_release(self, row: ReleaseRow, archive: bytes | None = None, signature: bytes | None = None) -> bool:
        """Insert a row of version number 0, or update that of this number; False if that is not in the store."""
        kept: list[tuple[str, Row]] = []
        if archive is not None or row.state == "gone":
            kept += self._archive_deletions(row.release)
        if archive is not None:
            kept.append((self._sql.PUT_RELEASE_ARCHIVE, (row.release, archive)))
        if signature is not None:
            kept.append((self._sql.PUT_RELEASE_ARCHIVE, (_signature_key(row.release), signature)))
        if row.version_number:
            return self._write_release((self._sql.UPDATE_RELEASE, _update_row(row)), *kept)
        return self._write_release((self._sql.INSERT_RELEASE, _insert_row(row)), *kept)

    def _archive_deletions(self, release: str) -> list[tuple[str, Row]]:
        return [(self._sql.DELETE_RELEASE_ARCHIVE, (key,)) for key in (release, _signature_key(release))]

    def get_release(self, release: str) -> ReleaseRow | None:
        for row in self._select(self._sql.GET_RELEASE, (release,)):
            return _parse_row(row)
        return None

    def list_releases(self, package: str | None = None) -> list[ReleaseRow]:
        """List releases by package and instant of registration."""
        if package is None:
            found = self._select(self._sql.LIST_RELEASES)
        else:
            found = self._select(self._sql.LIST_RELEASES_OF_PACKAGE, (package,))
        return [_parse_row(row) for row in found]

    def delete_release(self, release: str) -> None:
        """Delete a release with its archive."""
        self._write_release((self._sql.DELETE_RELEASE, (release,)), *self._archive_deletions(release))

    def get_archive_signature(self, release: str) -> bytes | None:
        return self.get_archive(_signature_key(release))

    def get_archive(self, release: str) -> bytes | None:
        for (data,) in self._select(self._sql.GET_RELEASE_ARCHIVE, (release,)):
            return bytes(data)
        return None

    def count_open_runs(self, release: str) -> int:
        """Count runs of a release that have not ended, at most 10,000."""
        ((count,),) = self._select(self._sql.COUNT_OPEN_RUNS, (release, COUNT_LIMIT_RUNS))
        return int(count)

    def put_trusted_key(self, key: TrustedKey) -> None:
        row = (key.fingerprint, key.name, key.public_key, key.added_by, key.added_at, key.expires_at, key.revoked_at)
        self._write_rows((self._sql.PUT_TRUSTED_KEY, _escape_row(row)))

    def list_trusted_keys(self) -> list[TrustedKey]:
        """List trusted keys by name and fingerprint."""
        return [TrustedKey(*row) for row in self._select(self._sql.LIST_TRUSTED_KEYS)]

    def delete_trusted_key(self, fingerprint: str) -> None:
        self._write_rows((self._sql.DELETE_TRUSTED_KEY, (fingerprint,)))


def _signature_key(release: str) -> str:
    """Return the key under which the signature of an archive is kept beside it, as a file is: `RELEASE.sig`."""
    return f"{release}.sig"


def _insert_row(r: ReleaseRow) -> Row:
    return _escape_row((r.release, r.digest, r.package, r.version, *_changing_values(r), r.version_number + 1))


def _update_row(r: ReleaseRow) -> Row:
    return _escape_row((*_changing_values(r), r.version_number + 1, r.release, r.version_number))


def _changing_values(r: ReleaseRow) -> Row:
    descriptor = None if r.descriptor is None else _to_json(r.descriptor)
    return (
        r.state, _to_json(r.workflows), descriptor, int(r.pinned), r.error, r.attempts, r.next_attempt_at, r.source,
        r.registered_by, r.signed_by, r.registered_at, r.changed_at,
    )  # fmt: skip


def _parse_row(row: Row) -> ReleaseRow:
    release, digest, package, version, state, workflows, descriptor, pinned, *rest = row
    parsed: Any = None if descriptor is None else json.loads(descriptor)
    return ReleaseRow(release, digest, package, version, state, json.loads(workflows), parsed, pinned == 1, *rest)


def _escape_row(row: Row) -> Row:
    """Escape texts: an error has the message of an exception, a source the name of a file."""
    return tuple([escape_text(value, escape_nul=True) for value in row])
