"""The schedules of packages, in the database as `PACKAGE/NAME`: those of the active release, and no others.

They belong to the package and not to a release, so they keep their state and history when a version replaces another.
Names that begin with `PACKAGE/` are the package's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from holdwater.errors import HoldwaterError, StoreError
from holdwater.operations.databases import Database
from holdwater.operations.schedules import register_cron
from holdwater.packages.programs.loading import LoadedRelease
from holdwater.runtime.config import ScheduleConfig

logger = logging.getLogger("holdwater.packages")

_ALL: Final = 1 << 31


class PackageSchedules:
    """Writes the schedules of packages.  Every method raises StoreUnavailable."""

    def __init__(self, database: Database, config: ScheduleConfig) -> None:
        self._database, self._config = database, config

    def write(self, active: Mapping[str, LoadedRelease | None]) -> None:
        """Write the schedules of packages, and delete those that they do not have.

        `active`: their active releases; None for a package that has none any more.  A schedule that is there already
        keeps its state and history; what it has missed meanwhile is still due.  One that cannot be written, because it
        does not fire any more, is logged.
        """
        kept: set[str] = set()
        for package, release in active.items():
            if release is not None:
                self._put(package, release)
                kept |= {f"{package}/{one.name}" for one in release.schedules} | {one.name for one in release.triggers}
        for row in self._database.store.list_schedules(limit=_ALL):
            package, _, rest = (row.name or "").partition("/")
            if rest and package in active and row.name not in kept:
                self._database.store.delete_schedule(row.id)
                logger.info("schedule %s is removed: the package has none of that name now", row.name)

    def _put(self, package: str, release: LoadedRelease) -> None:
        for schedule in release.schedules:
            try:
                register_cron(
                    self._database, schedule.workflow, schedule.cron, schedule.timezone,
                    context=dict(schedule.context) or None, name=f"{package}/{schedule.name}",
                    catchup_policy=schedule.catchup, overlap=schedule.overlap,  # type: ignore[arg-type]
                    is_known=True, is_of_package=True, config=self._config,
                )  # fmt: skip
            except StoreError:
                raise
            except HoldwaterError as error:
                logger.error("schedule %s/%s is not in force: %s", package, schedule.name, error)
