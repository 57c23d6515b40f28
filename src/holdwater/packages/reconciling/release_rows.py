"""The rows of releases.  A change that conflicts with another process is left to the next pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.releases import ReleaseStore
from holdwater.model.releases import ReleaseRow
from holdwater.packages.registries.registry import RegistryEntry
from holdwater.packages.registries.uploads import check_workflows_free

MAX_GONE_RELEASES: Final = 100
"""releases of a package that are listed after they are gone"""


@dataclass(slots=True)
class ReleaseRows:
    """The releases of a database as one pass of the reconciler sees and changes them, by release.

    `on_change`: called with each row that was written.
    """

    store: ReleaseStore
    clock: Clock
    rows: dict[str, ReleaseRow]
    on_change: Callable[[ReleaseRow], None]

    @classmethod
    def read(cls, store: ReleaseStore, clock: Clock, on_change: Callable[[ReleaseRow], None]) -> ReleaseRows:
        """Read all rows.  Raises StoreUnavailable."""
        return cls(store, clock, {row.release: row for row in store.list_releases()}, on_change)

    def change(self, row: ReleaseRow, **changes: Any) -> ReleaseRow | None:
        """Write changes of a row; returns it as it is then, None if another process was faster.

        Raises StoreUnavailable.
        """
        new = replace(row, **changes)
        if new == row and row.version_number:
            return row
        new.changed_at = self.clock.now()
        if not self.store.put_release(new):
            fresh = self.store.get_release(row.release)
            if fresh is None:
                self.rows.pop(row.release, None)
            else:
                self.rows[row.release] = fresh
            return None
        new.version_number = row.version_number + 1
        self.rows[row.release] = new
        self.on_change(new)
        return new

    def add(self, entry: RegistryEntry, by: str) -> ReleaseRow | None:
        """Write the row of a new release; None if another process was faster.  Raises StoreUnavailable."""
        row = ReleaseRow(
            entry.release, entry.digest, entry.package, entry.version, source=entry.source, registered_by=by,
            registered_at=self.clock.now(),
        )  # fmt: skip
        return self.change(row)

    def of_version(self, entry: RegistryEntry) -> ReleaseRow | None:
        """Find another release of the version of an entry, whatever the case of its package's name."""
        for row in self.rows.values():
            same = (row.package.casefold(), row.version) == (entry.package.casefold(), entry.version)
            if same and row.release != entry.release:
                return row
        return None

    def name_twin(self, entry: RegistryEntry) -> str | None:
        """Find a package whose name differs from that of an entry by case alone."""
        for row in self.rows.values():
            is_other = row.state != "gone" and row.package != entry.package
            if is_other and row.package.casefold() == entry.package.casefold():
                return row.package
        return None

    def check_workflows(self, row: ReleaseRow, names: list[str]) -> None:
        """Raise WorkflowTaken if a release of another package has a workflow of one of these names."""
        check_workflows_free(self.rows.values(), row.package, names)

    def packages(self) -> dict[str, list[ReleaseRow]]:
        """Group the rows by package."""
        found: dict[str, list[ReleaseRow]] = {}
        for row in self.rows.values():
            found.setdefault(row.package, []).append(row)
        return found

    def delete(self, row: ReleaseRow) -> None:
        """Delete a row.  Raises StoreUnavailable."""
        self.store.delete_release(row.release)
        self.rows.pop(row.release, None)

    def forget_old(self) -> None:
        """Delete the rows of the releases that went first, where there are many.  Raises StoreUnavailable."""
        for rows in self.packages().values():
            gone = sorted([row for row in rows if row.state == "gone"], key=lambda row: row.changed_at)
            for row in gone[:-MAX_GONE_RELEASES]:
                self.delete(row)
