"""The schedules of packages, in the database as `PACKAGE/NAME`: those of the active release, and no others.

They belong to the package and not to a release, so they keep their state and history when a version replaces another.
Names that begin with `PACKAGE/` are the package's.
"""

from __future__ import annotations

import logging
from typing import Final

from holdwater.errors import HoldwaterError, StoreError
from holdwater.operations.databases import Database
from holdwater.operations.schedules import register_cron
from holdwater.packages.loading import LoadedRelease
from holdwater.runtime.config import ScheduleConfig

logger = logging.getLogger("holdwater.packages")

_ALL: Final = 1 << 31


class PackageSchedules:
    """Writes the schedules of packages.  Every method raises StoreUnavailable."""

    def __init__(self, database: Database, config: ScheduleConfig) -> None:
        self._database, self._config = database, config

    def put(self, package: str, release: LoadedRelease) -> None:
        """Write the schedules of a release, and delete those of the package that it does not have.

        One that is there already keeps its state and history; what it has missed meanwhile is still due.  One that
        cannot be written, because it does not fire any more, is logged.
        """
        for schedule in release.schedules:
            try:
                register_cron(
                    self._database, schedule.workflow, schedule.cron, schedule.timezone,
                    context=dict(schedule.context) or None, name=f"{package}/{schedule.name}",
                    catchup_policy=schedule.catchup, overlap=schedule.overlap,  # type: ignore[arg-type]
                    is_known=True, config=self._config,
                )  # fmt: skip
            except StoreError:
                raise
            except HoldwaterError as error:
                logger.error("schedule %s/%s is not in force: %s", package, schedule.name, error)
        kept = {f"{package}/{one.name}" for one in release.schedules} | {one.name for one in release.triggers}
        self._delete_others(package, kept)

    def remove(self, package: str) -> None:
        """Delete all schedules and triggers of a package, with their history."""
        self._delete_others(package, set())

    def _delete_others(self, package: str, kept: set[str]) -> None:
        for row in self._database.store.list_schedules(limit=_ALL):
            if row.name is not None and row.name.startswith(f"{package}/") and row.name not in kept:
                self._database.store.delete_schedule(row.id)
                logger.info("schedule %s is removed: the package has none of that name now", row.name)
