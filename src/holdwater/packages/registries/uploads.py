"""Archives that strangers upload: judged, verified and checked against what is there, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from holdwater.errors import ManifestError, WorkflowTaken
from holdwater.model.ports.releases import ReleaseStore
from holdwater.model.releases import ReleaseRow
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.packages.registries.registry import StoredArchive
from holdwater.packages.settings import ArchiveLimits


class VerifyArchive(Protocol):
    """Checks the signature of an archive, as `SignaturePolicy` does."""

    def __call__(self, stored: StoredArchive) -> str: ...


@dataclass(frozen=True, slots=True)
class UploadedRelease:
    """An archive that was taken.  `is_new`: it was not there, or was being removed."""

    release: str
    package: str
    version: str
    is_new: bool


class PackageUploads:
    """Takes archives into the registry of a database.  Thread-safe.

    `env_allow`: variables of the environment that packages may ask for; None: any.
    """

    def __init__(
        self,
        registry: DatabaseWorkflowRegistry,
        store: ReleaseStore,
        verify: VerifyArchive,
        env_allow: Iterable[str] | None = None,
    ) -> None:
        self._registry, self._store, self._verify = registry, store, verify
        self._env_allow = None if env_allow is None else frozenset(env_allow)

    @property
    def limits(self) -> ArchiveLimits:
        """The limits of an archive."""
        return self._registry.limits

    def take(self, data: bytes, signature: bytes | None, *, by: str) -> UploadedRelease:
        """Take an archive; the same content again changes nothing.  `by`: its author, as `key:ID`.

        Raises PackageError naming what is wrong with it, TrustError, VersionExists, WorkflowTaken, StoreUnavailable.
        Then nothing was written.
        """
        archive = read_archive(data, self._registry.limits)
        stored = StoredArchive(archive, signature)
        self._verify(stored)
        self._check_environment(archive)
        check_workflows_free(self._store.list_releases(), archive.manifest.name, _described_workflows(archive))
        is_new = self._registry.add(stored, by=by)
        return UploadedRelease(archive.release, archive.manifest.name, archive.manifest.version, is_new)

    def _check_environment(self, archive: PackageArchive) -> None:
        """Raise ManifestError for a variable that packages do not get here."""
        if self._env_allow is None:
            return
        refused = sorted(set(archive.manifest.execution.env) - self._env_allow)
        if refused:
            raise ManifestError(
                f"the package asks for the variable {refused[0]} of the environment, which packages do not get here",
                hint="the server allows names in packages.env_allow; values of a tenant are given as secrets",
            )


def check_workflows_free(rows: Iterable[ReleaseRow], package: str, names: Iterable[str]) -> None:
    """Raise WorkflowTaken if a release of another package has a workflow of one of these names."""
    wanted = frozenset(names)
    for row in rows:
        if row.package != package and row.state not in ("gone", "broken"):
            for name in sorted(wanted.intersection(row.workflows)):
                raise WorkflowTaken(
                    f"package {row.package!r} has a workflow named {name!r} already",
                    hint="rename the workflow, or remove that package",
                )


def _described_workflows(archive: PackageArchive) -> list[str]:
    """Return the names that the descriptor of an archive says it has; it is compared when the package is registered.

    Raises ManifestError if the descriptor is no JSON.
    """
    workflows: Any = (archive.descriptor or {}).get("workflows")
    named = [one.get("name") for one in workflows if isinstance(one, dict)] if isinstance(workflows, list) else []
    return [name for name in named if isinstance(name, str)]
