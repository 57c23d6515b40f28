"""The memory store: releases of packages, their archives, and trusted keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace
from typing import Final

from holdwater.model.records import COUNT_LIMIT_RUNS, RunRow
from holdwater.model.releases import ReleaseRow, TrustedKey


class MemoryReleases:
    """The releases of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]], runs: Mapping[str, RunRow]) -> None:
        """Begin without any.  `runs`: rows of the store's runs, by id."""
        self._locked_for_releases, self._runs_of_releases = locked, runs
        self._releases: Final[dict[str, ReleaseRow]] = {}
        self._archives: Final[dict[str, tuple[bytes, bytes | None]]] = {}
        """archives and their signatures"""
        self._trusted_keys: Final[dict[str, TrustedKey]] = {}

    def put_release(self, row: ReleaseRow, archive: bytes | None = None, signature: bytes | None = None) -> bool:
        """Insert a row of version number 0, or replace that of this number; False if that is not in the store."""
        with self._locked_for_releases():
            known = self._releases.get(row.release)
            others = [one for one in self._releases.values() if one.release != row.release]
            if (0 if known is None else known.version_number) != row.version_number:
                return False
            if any([(one.package, one.version) == (row.package, row.version) for one in others]):
                return False
            if known is None and any([_differ_by_case(one, row) for one in others if one.state != "gone"]):
                return False
            self._releases[row.release] = replace(deepcopy(row), version_number=row.version_number + 1)
            if archive is not None or row.state == "gone":
                self._archives.pop(row.release, None)
            if archive is not None:
                self._archives[row.release] = archive, signature
            return True

    def get_release(self, release: str) -> ReleaseRow | None:
        with self._locked_for_releases():
            return deepcopy(self._releases.get(release))

    def list_releases(self, package: str | None = None) -> list[ReleaseRow]:
        """List releases by package and instant of registration."""
        with self._locked_for_releases():
            found = [row for row in self._releases.values() if package in (None, row.package)]
            return deepcopy(sorted(found, key=lambda row: (row.package, row.registered_at, row.release)))

    def delete_release(self, release: str) -> None:
        """Delete a release with its archive."""
        with self._locked_for_releases():
            self._releases.pop(release, None)
            self._archives.pop(release, None)

    def get_archive(self, release: str) -> bytes | None:
        with self._locked_for_releases():
            return self._archives.get(release, (None, None))[0]

    def get_archive_signature(self, release: str) -> bytes | None:
        with self._locked_for_releases():
            return self._archives.get(release, (None, None))[1]

    def count_open_runs(self, release: str) -> int:
        """Count runs of a release that have not ended, at most 10,000."""
        with self._locked_for_releases():
            runs = self._runs_of_releases.values()
            count = sum([1 for run in runs if run.release == release and run.finished_at is None])
            return min(count, COUNT_LIMIT_RUNS)

    def put_trusted_key(self, key: TrustedKey) -> None:
        with self._locked_for_releases():
            self._trusted_keys[key.fingerprint] = key

    def list_trusted_keys(self) -> list[TrustedKey]:
        """List trusted keys by name and fingerprint."""
        with self._locked_for_releases():
            return sorted(self._trusted_keys.values(), key=lambda key: (key.name, key.fingerprint))

    def delete_trusted_key(self, fingerprint: str) -> None:
        with self._locked_for_releases():
            self._trusted_keys.pop(fingerprint, None)


def _differ_by_case(one: ReleaseRow, other: ReleaseRow) -> bool:
    return one.package != other.package and one.package.lower() == other.package.lower()
