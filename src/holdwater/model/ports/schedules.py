"""Storage of schedules and of their fires."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from holdwater.model.schedules import FireCounts, FireRow, FireWithRun, Firing, ScheduleRow
from holdwater.model.time import Micros


class ScheduleStore(Protocol):
    """Storage of schedules, beside the runs they fire.  Every method is one transaction."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or change the row that has this id and version; every write adds one to it.

        False, and nothing written, if the version is another by now, or the name is taken.
        """
        ...

    def get_schedule(self, schedule_id: str) -> ScheduleRow | None: ...

    def schedule_by_name(self, kind: str, name: str) -> ScheduleRow | None: ...

    def list_schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        """The oldest first."""
        ...

    def delete_schedule(self, schedule_id: str) -> bool:
        """With its history; its runs stay.  False: there is none."""
        ...

    def due_schedules(self, kind: str, before: Micros, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        """Enabled ones to look at by then, the most urgent first.  `names`: of workflows; for triggers, their own."""
        ...

    def next_due_at(self, kind: str, names: Collection[str]) -> Micros | None:
        """Return the instant at which the first of them is due; None: never."""
        ...

    def commit_firings(self, firings: Sequence[Firing]) -> list[bool]:
        """All in one transaction.  False for a schedule whose version is another by now: nothing of its is written.

        New runs must not be in the store yet, and have no idempotency key.
        """
        ...

    def list_fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[FireWithRun]:
        """Return the fires of a schedule with their runs, newest first."""
        ...

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        """(schedule, context hash) of fires whose runs are unfinished, or wait in a queue."""
        ...

    def startable_fires(
        self, names: Collection[str], limit: int, *, max_attempts: int, tried_before: Micros, not_before: Micros
    ) -> list[FireRow]:
        """Fires without a run that may have one now: asked for; the first of a queue nothing stands before any more;
        failed fewer than `max_attempts` times, not since `tried_before`, and of an instant not before `not_before`.
        """
        ...

    def queued_fires(self, schedule_id: str) -> list[FireRow]:
        """Fires of a schedule that wait for an earlier run of it, the oldest first."""
        ...

    def has_waiting_fires(self) -> bool:
        """Return True if any fire waits, startable or not."""
        ...

    def expire_fires(self, not_before: Micros, reason: str) -> None:
        """Close the books on fires whose runs have ended; what has waited since before `not_before` is skipped."""
        ...

    def count_fires(self, since: Micros, lost_before: Micros) -> FireCounts:
        """Of cron schedules.  Lost is what was decided before then and has no run."""
        ...
