"""Source as releases: what is saved becomes the next version, `0.dev0+N`, and runs keep the one they began with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.daemon.source_registry import SourceRegistry
from holdwater.daemon.sources import Source, SourceSnapshot
from holdwater.errors import HoldwaterError
from holdwater.model.error_report import describe_error
from holdwater.model.ports.releases import ReleaseStore
from holdwater.model.releases import ReleaseRow

_VERSION: Final = re.compile(r"0\.dev0\+([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A change of the source, and what has come of it.

    `version`: of the release it became, "" if it could not be read.  `error`: why it is not active, "" if it is.
    `active`: the version that new runs take, "" without one.  `workflows`: those of the active one.
    """

    version: str
    error: str
    active: str
    workflows: tuple[str, ...]


class SourceReleases:
    """Makes a release of each change of a source.  For one caller's thread.

    `reconcile`: has the engine take up what the registry has; returns when that is done.  `on_status`: called with each
    change, from the thread of `refresh`.
    """

    def __init__(
        self,
        source: Source,
        registry: SourceRegistry,
        store: ReleaseStore,
        reconcile: Callable[[], object],
        on_status: Callable[[SourceStatus], None],
    ) -> None:
        self._source, self._registry, self._store = source, registry, store
        self._reconcile, self._on_status = reconcile, on_status
        self._digest = ""
        self._error = ""
        self._paths: list[Path] = [source.root]

    def refresh(self) -> list[Path]:
        """Read the source, and make a release of it if it has changed; returns the paths whose changes matter.

        An error of the source is a status, and nothing is raised for it.  Raises StoreUnavailable.
        """
        try:
            snapshot = self._source.snapshot()
        except (HoldwaterError, OSError, UnicodeDecodeError) as error:
            self._tell_unreadable(describe_error(error))
            return self._paths
        self._paths, self._error = [self._source.root, *snapshot.paths], ""
        digest = snapshot.digest
        if digest != self._digest:
            self._digest = digest
            self._release(snapshot)
        return self._paths

    def _tell_unreadable(self, error: str) -> None:
        if error != self._error:
            self._error, self._digest = error, ""
            active = self._active()
            self._on_status(SourceStatus("", error, *_facts(active)))

    def _release(self, snapshot: SourceSnapshot) -> None:
        rows = self._store.list_releases(snapshot.manifest.name)
        try:
            data = self._build(snapshot, rows)
            release = self._registry.register(data, by="dev")
        except HoldwaterError as problem:
            self._tell_unreadable(describe_error(problem))
            return
        self._reconcile()
        row = self._store.get_release(release)
        if row is not None and row.state == "active":
            self._registry.keep_only({release})
            self._reconcile()
        active = self._active()
        error = "" if row is not None and row.state == "active" else _error_of(row)
        self._on_status(SourceStatus("" if row is None else row.version, error, *_facts(active)))

    def _build(self, snapshot: SourceSnapshot, rows: list[ReleaseRow]) -> bytes:
        """Build the archive, of the version it had before if that is the newest and nothing has changed since."""
        newest = max([_number(row) for row in rows], default=0)
        for row in rows:
            if _number(row) == newest:
                data = snapshot.build(row.version)
                if hashlib.sha256(data).hexdigest() == row.digest:
                    return data
        return snapshot.build(f"0.dev0+{newest + 1}")

    def _active(self) -> ReleaseRow | None:
        rows = self._store.list_releases(self._source.package)
        return next((row for row in rows if row.state == "active"), None)


def _number(row: ReleaseRow) -> int:
    found = _VERSION.fullmatch(row.version)
    return 0 if found is None else int(found[1])


def _facts(active: ReleaseRow | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if active is None else (active.version, tuple(active.workflows))


def _error_of(row: ReleaseRow | None) -> str:
    if row is None:
        return "the registry did not take it"
    return row.error or f"it is {row.state}"
