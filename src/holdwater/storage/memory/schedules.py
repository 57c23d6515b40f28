"""Schedules in memory, guarded by the lock of their store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from holdwater.errors import StoreError
from holdwater.model.records import RunRow, RunUpdate
from holdwater.model.schedules import (
    PHASE_RUNNING,
    PHASE_WAITING,
    FireCounts,
    FireRow,
    FireWithRun,
    Firing,
    ScheduleRow,
)
from holdwater.model.time import Micros


class MemorySchedules:
    """The schedules of a memory store.

    `locked`: holds the lock of the store.  `create_run`: writes a new run.  `run_rows`: run rows by id.
    """

    def __init__(
        self,
        locked: Callable[[], AbstractContextManager[None]],
        create_run: Callable[[RunUpdate], None],
        run_rows: dict[str, RunRow],
    ) -> None:
        self._store_lock, self._create_run, self._run_rows = locked, create_run, run_rows
        self._schedules: dict[str, ScheduleRow] = {}
        self._fires: dict[str, dict[Micros, FireRow]] = {}
        self._closed_fires: set[tuple[str, Micros]] = set()
        """fires that ended or expired and are never looked at again"""

    def put_schedule(self, row: ScheduleRow) -> bool:
        with self._store_lock():
            old = self._schedules.get(row.id)
            same = [s for s in self._schedules.values() if row.name and (s.kind, s.name) == (row.kind, row.name)]
            if (old.version if old else 0) != row.version or any(s.id != row.id for s in same):
                return False
            made = replace(row, version=row.version + 1)
            if old:
                made.kind, made.created_at = old.kind, old.created_at
            self._schedules[row.id] = made
            return True

    def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        with self._store_lock():
            found = self._schedules.get(schedule_id)
            return None if found is None else replace(found)

    def schedule_by_name(self, kind: str, name: str) -> ScheduleRow | None:
        with self._store_lock():
            return next((replace(s) for s in self._schedules.values() if (s.kind, s.name) == (kind, name)), None)

    def list_schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        with self._store_lock():
            found = [s for s in self._schedules.values() if kind in (None, s.kind) and s.enabled >= enabled_only]
            found.sort(key=lambda s: (s.created_at, s.id))
            return [replace(s) for s in found[offset : offset + limit]]

    def delete_schedule(self, schedule_id: str) -> bool:
        with self._store_lock():
            self._fires.pop(schedule_id, None)
            return self._schedules.pop(schedule_id, None) is not None

    def due_schedules(self, kind: str, before: Micros, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        with self._store_lock():
            found = [s for s in self._enabled_schedules(kind, names) if s.next_at is not None and s.next_at <= before]
            return [replace(s) for s in sorted(found, key=lambda s: (s.next_at, s.id))[:limit]]

    def next_due_at(self, kind: str, names: Collection[str]) -> Micros | None:
        with self._store_lock():
            return min([s.next_at for s in self._enabled_schedules(kind, names) if s.next_at is not None], default=None)

    def _enabled_schedules(self, kind: str, names: Collection[str]) -> list[ScheduleRow]:
        return [
            s
            for s in self._schedules.values()
            if s.enabled and s.kind == kind and (s.workflow if kind == "cron" else s.name) in names
        ]

    def commit_firings(self, firings: Sequence[Firing]) -> list[bool]:
        with self._store_lock():
            for firing in firings:
                for change in firing.new_runs:
                    if change.run.seq != len(change.entries):
                        raise StoreError(f"run {change.run.id}: its head does not fit the entries that come with it")
            return [self._apply_firing(firing) for firing in firings]

    def _apply_firing(self, firing: Firing) -> bool:
        new = firing.schedule
        row = self._schedules.get(new.id)
        if row is None or row.version != new.version:
            return False
        row.settled_at, row.last_at, row.next_at = new.settled_at, new.last_at, new.next_at
        row.last_error, row.version = new.last_error, new.version + 1
        for change in firing.new_runs:
            self._create_run(change)
        for fire in firing.fires:
            self._fires.setdefault(fire.schedule_id, {})[fire.scheduled_at] = replace(fire)
        return True

    def list_fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[FireWithRun]:
        with self._store_lock():
            rows = sorted(self._fires.get(schedule_id, {}).values(), key=lambda f: -f.scheduled_at)
            return [self._with_run(fire) for fire in rows[offset : offset + limit]]

    def _with_run(self, fire: FireRow) -> FireWithRun:
        run = self._run_rows.get(fire.run_id or "")
        if run is None:
            return FireWithRun(replace(fire))
        return FireWithRun(replace(fire), run.status, run.created_at, run.finished_at, run.error)

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        with self._store_lock():
            return [
                (i, fire.context_hash)
                for i in schedule_ids
                for fire in self._fires.get(i, {}).values()
                if self._is_running(fire) or (fire.state == "queued" and self._is_open(fire, PHASE_WAITING))
            ]

    def _is_open(self, fire: FireRow, phase: int) -> bool:
        return fire.phase == phase and (fire.schedule_id, fire.scheduled_at) not in self._closed_fires

    def _is_running(self, fire: FireRow) -> bool:
        run = self._run_rows.get(fire.run_id or "")
        return self._is_open(fire, PHASE_RUNNING) and run is not None and run.finished_at is None

    def startable_fires(
        self, names: Collection[str], limit: int, *, max_attempts: int, tried_before: Micros, not_before: Micros
    ) -> list[FireRow]:
        found: list[FireRow] = []
        with self._store_lock():
            for schedule_id in sorted(self._fires):
                schedule = self._schedules.get(schedule_id)
                if schedule is None or schedule.workflow not in names:
                    continue
                fires = sorted(self._fires[schedule_id].values(), key=lambda f: f.scheduled_at)
                waits = not schedule.enabled or any(self._is_running(fire) for fire in fires)
                for fire in fires:
                    if not self._is_open(fire, PHASE_WAITING):
                        continue
                    if fire.state == "queued":
                        ready, waits = not waits, True
                    elif fire.state == "failed":
                        tried = fire.claimed_at <= tried_before and fire.scheduled_at >= not_before
                        ready = fire.attempts < max_attempts and tried
                    else:
                        ready = True
                    if ready:
                        found.append(replace(fire))
        return found[:limit]

    def queued_fires(self, schedule_id: str) -> list[FireRow]:
        """List the fires of a schedule that wait for an earlier run of it, oldest first."""
        with self._store_lock():
            fires = [fire for fire in self._fires.get(schedule_id, {}).values() if fire.state == "queued"]
            open_ = [fire for fire in fires if self._is_open(fire, PHASE_WAITING)]
            return [replace(fire) for fire in sorted(open_, key=lambda fire: fire.scheduled_at)]

    def has_waiting_fires(self) -> bool:
        with self._store_lock():
            return any(self._is_open(fire, PHASE_WAITING) for fires in self._fires.values() for fire in fires.values())

    def expire_fires(self, not_before: Micros, reason: str) -> None:
        with self._store_lock():
            for fire in [fire for fires in self._fires.values() for fire in fires.values()]:
                if fire.phase == PHASE_RUNNING and not self._is_running(fire):
                    self._closed_fires.add((fire.schedule_id, fire.scheduled_at))
                elif fire.phase == PHASE_WAITING and fire.scheduled_at < not_before:
                    self._closed_fires.add((fire.schedule_id, fire.scheduled_at))
                    if fire.state != "failed":
                        fire.state, fire.reason = "skipped", reason

    def count_fires(self, since: Micros, lost_before: Micros) -> FireCounts:
        with self._store_lock():
            found = [
                self._with_run(fire)
                for schedule_id, fires in self._fires.items()
                if schedule_id in self._schedules and self._schedules[schedule_id].kind == "cron"
                for fire in fires.values()
                if fire.state != "skipped" and fire.claimed_at >= since
            ]
        return FireCounts(
            len(found),
            sum([f.status == "completed" for f in found]),
            sum([f.finished_at is not None for f in found]),
            sum([f.fire.run_id is None and f.fire.claimed_at < lost_before for f in found]),
        )
