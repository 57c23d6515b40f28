"""Decisions about releases, as values: which one is active, which files contradict each other, when to try again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from packaging.version import InvalidVersion, Version

from holdwater.model.releases import ReleaseRow
from holdwater.packages.registries.registry import RegistryEntry

FIRST_RETRY_SECONDS: Final = 60.0
MAX_RETRY_SECONDS: Final = 3600.0
TIMEOUT_RETRY_SECONDS: Final = 5.0
"""after the first time-out: the machine may have been busy"""


def retry_delay_seconds(attempts: int, *, timed_out: bool = False) -> float:
    """Return the pause after so many failed attempts to register a release: 1, 2, 4 ... 60 minutes.

    `timed_out`: the last one took too long; after the first of these the pause is short.
    """
    if timed_out and attempts <= 1:
        return TIMEOUT_RETRY_SECONDS
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(max(0, attempts - 1), 16), MAX_RETRY_SECONDS)


def choose_active(rows: Iterable[ReleaseRow]) -> ReleaseRow | None:
    """Choose the active release of a package among those that registered well: the pinned one, or the highest version.

    Versions are ordered as PEP 440 says.
    """
    return max(rows, key=lambda row: (row.pinned, *version_order(row.version)), default=None)


def version_order(version: str) -> tuple[bool, Version, str]:
    """Return a key that orders versions; a text that is none comes before all that are."""
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version


def find_conflicts(entries: Iterable[RegistryEntry]) -> dict[str, str]:
    """Find archives that contradict each other: other content of one version, or names that differ by case alone.

    Returns the error of each by its release.
    """
    by_version: dict[tuple[str, str], list[RegistryEntry]] = {}
    for entry in entries:
        by_version.setdefault((entry.package.casefold(), entry.version), []).append(entry)
    errors: dict[str, str] = {}
    for same in by_version.values():
        if len(same) < 2:
            continue
        first = same[0]
        files = " and ".join(sorted([entry.source or entry.release for entry in same]))
        text = (
            f"version {first.version} of package {first.package!r} is there twice, with other content: {files}; "
            "neither is used until one of them is removed"
        )
        errors |= {entry.release: text for entry in same}
    return errors
