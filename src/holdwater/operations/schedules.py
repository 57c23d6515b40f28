"""Schedules and triggers of a database: written down, looked at, changed.  Who fires them is the runners' business."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from holdwater.errors import ScheduleError, ScheduleNotFound, StoreUnavailable, WorkflowNotFound
from holdwater.model import validation
from holdwater.model.schedules import FireRow, FireWithRun, Firing, ScheduleRow
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import Micros, from_datetime, from_rfc3339, to_rfc3339
from holdwater.runtime.services.schedules import ScheduleConfig, schedule_policy
from holdwater.schedules import CatchUp, Cron, Overlap, decide_due
from holdwater.tasks import Context

if TYPE_CHECKING:
    from holdwater.model.ports import Clock, Store

Instant = datetime | str
DEFAULT_PAGE_SIZE: Final = 100
_MAX_WRITE_ATTEMPTS: Final = 50
"""how often a change is tried again because the schedule fired just then"""
_FIRE_STATUS_LABELS: Final = {
    "queued": "Queued",
    "requested": "Queued",
    "failed": "Failed",
    "skipped": "Skipped",
    "started": "Started",
}


class ScheduleService:
    """The schedules of one database.

    `is_workflow_known`: whether this process has a workflow of that name..  `changed`: called after each change, to
    look at once.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: ScheduleConfig,
        is_workflow_known: Callable[[str], bool],
        on_change: Callable[[], None] = lambda: None,
        lost_after_us: int = 600_000_000,
    ) -> None:
        self._store, self._clock, self._config = store, clock, config
        self._is_workflow_known, self._on_change, self._lost_after_us = is_workflow_known, on_change, lost_after_us

    # -- cron

    def register_cron(
        self,
        workflow: str,
        expression: str,
        timezone: str = "UTC",
        *,
        context: Mapping[str, Any] | None = None,
        name: str | None = None,
        catchup_policy: CatchUp | None = None,
        overlap: Overlap = "allow",
        jitter_seconds: float = 0,
        start: Instant | None = None,
        end: Instant | None = None,
        misfire_grace_seconds: float = 3600,
        allow_unknown: bool = False,
    ) -> str:
        """Write a schedule down; one of this `name` that is there already is changed.  Returns its id."""
        now = self._clock.now()
        validation.check_text(
            "the name of a workflow", workflow, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
        )
        row = ScheduleRow(
            str(uuid.uuid4()),
            "cron",
            _check_schedule_name(name),
            workflow,
            expression,
            timezone,
            None if context is None else Context(context).to_json(),
            catchup=catchup_policy,
            misfire_grace_us=_seconds_to_us(misfire_grace_seconds, "misfire_grace_seconds"),
            overlap=overlap,
            jitter_us=_seconds_to_us(jitter_seconds, "jitter_seconds"),
            start_at=None if start is None else parse_instant(start),
            end_at=None if end is None else parse_instant(end),
            created_at=now,
        )
        self._recompute_next_fire(row, now)
        if row.next_at is None:
            raise ScheduleError(f"cron expression {expression!r} does not fire any more before the schedule ends")
        if not (allow_unknown or self._is_workflow_known(workflow) or self._store.is_workflow_registered(workflow)):
            raise WorkflowNotFound(
                f"no workflow named {workflow!r} is known to this process or to another runner of this database",
                hint="import the module that defines it, or say allow_unknown=True if a runner to come will know it",
            )
        if name is None:
            if not self._store.put_schedule(row):
                raise StoreUnavailable("the schedule could not be written")  # a uuid that is there already
            self._on_change()
            return row.id
        return self._upsert_by_name(row)

    def _upsert_by_name(self, row: ScheduleRow) -> str:
        for _ in range(_MAX_WRITE_ATTEMPTS):
            old = self._store.schedule_by_name("cron", row.name or "")
            if old is None:
                if self._store.put_schedule(row):
                    break
                continue
            new = replace(
                row, id=old.id, version=old.version, enabled=old.enabled, created_at=old.created_at,
                updated_at=old.updated_at, last_at=old.last_at, settled_at=old.settled_at, next_at=old.next_at,
                last_error=old.last_error, kind=old.kind,
            )  # fmt: skip
            if new == old:  # an application that starts again: what it missed is still due
                return old.id
            new.updated_at = row.created_at
            if _timing_fields(new) != _timing_fields(old):
                self._recompute_next_fire(new, row.created_at)
            row_id = old.id
            if self._store.put_schedule(new):
                self._on_change()
                return row_id
        else:
            raise StoreUnavailable(f"schedule {row.name!r} is being changed too often to be changed here")
        self._on_change()
        return row.id

    def _recompute_next_fire(self, row: ScheduleRow, now: Micros) -> None:
        """From now on.  Raises ScheduleError."""
        row.updated_at, row.settled_at, row.last_error = now, max(now, row.settled_at), None
        cron = Cron(row.expression, row.timezone)
        row.next_at = decide_due(
            cron, row.id, row.settled_at, row.settled_at, schedule_policy(row, self._config)
        ).next_check_at

    def change_timing(self, schedule_id: str, expression: str, timezone: str) -> None:
        """Other instants, from now on."""

        def change(row: ScheduleRow, now: Micros) -> None:
            row.expression, row.timezone = expression, timezone
            self._recompute_next_fire(row, now)

        self._update_row("cron", schedule_id, change)

    def set_enabled(self, kind: Literal["cron", "trigger"], identifier: str, enabled: bool) -> None:
        """`matches_attempt`: the id of a schedule, the name of a trigger.

        What a schedule has queued is given up with it.
        """
        if not isinstance(enabled, bool):
            raise ScheduleError(f"enabled is True or False, not {enabled!r}")
        if enabled:  # what a process left that died while it disabled the schedule
            self._skip_queued_fires(kind, identifier)

        def change(row: ScheduleRow, now: Micros) -> None:
            if row.enabled == enabled:
                return
            row.enabled, row.updated_at = enabled, now
            if enabled and kind == "cron":
                self._recompute_next_fire(row, now)
            elif enabled:
                row.next_at = now

        self._update_row(kind, identifier, change)
        if not enabled:
            self._skip_queued_fires(kind, identifier)

    def _skip_queued_fires(self, kind: Literal["cron", "trigger"], identifier: str) -> None:
        """Skip what waits for an earlier run of a disabled schedule.  One that is enabled is left alone."""
        for _ in range(_MAX_WRITE_ATTEMPTS):
            row = self.get_row(kind, identifier)
            fires = [] if row.enabled else self._store.queued_fires(row.id)
            for fire in fires:
                fire.state, fire.reason = "skipped", "the schedule was disabled while this waited for an earlier run"
            if not fires or self._store.commit_firings([Firing(row, fires=fires)])[0]:
                return
        raise StoreUnavailable(f"schedule {identifier} is being changed too often to be changed here")

    def _update_row(self, kind: str, identifier: str, mutate: Callable[[ScheduleRow, Micros], None]) -> None:
        for _ in range(_MAX_WRITE_ATTEMPTS):
            row = self.get_row(kind, identifier)
            new = replace(row)
            mutate(new, self._clock.now())
            if new == row or self._store.put_schedule(new):
                self._on_change()
                return
        raise StoreUnavailable(f"schedule {identifier} is being changed too often to be changed here")

    def delete(self, schedule_id: str) -> None:
        self.get_row(None, schedule_id)
        self._store.delete_schedule(schedule_id)
        self._on_change()

    def request_run_now(self, schedule_id: str) -> None:
        """Have a run of it started now, by whoever knows the workflow, whatever its instants, overlap or state."""
        for _ in range(_MAX_WRITE_ATTEMPTS):
            row, now = self.get_row(None, schedule_id), self._clock.now()
            at = max(now, Micros(max((f.fire.scheduled_at for f in self._store.list_fires(row.id, 1)), default=0) + 1))
            if self._store.commit_firings([Firing(row, [], [FireRow(row.id, at, "requested", now)])])[0]:
                self._on_change()
                return
        raise StoreUnavailable(f"schedule {schedule_id} is being changed too often")

    # -- looking

    def get_row(self, kind: str | None, identifier: str) -> ScheduleRow:
        """By id; a trigger by its name.  Raises ScheduleNotFound."""
        if kind == "trigger":
            validation.check_text(
                "the name of a trigger", identifier, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
            )
            found = self._store.schedule_by_name("trigger", identifier)
            if found is None:
                raise ScheduleNotFound(f"there is no trigger {identifier!r} in {self._store.url}")
            return found
        try:
            found = self._store.get_schedule(str(uuid.UUID(identifier)))
        except (ValueError, AttributeError, TypeError):
            raise ScheduleNotFound(
                f"Invalid schedule ID {validation.shorten_repr(identifier)}: it is not a UUID",
                hint="list_cron_schedules() has the ids",
            ) from None
        if found is None or kind not in (None, found.kind):
            raise ScheduleNotFound(f"there is no schedule {validation.shorten_repr(identifier)} in {self._store.url}")
        return found

    def list_rows(
        self, kind: str | None, enabled_only: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[ScheduleRow]:
        """The oldest first."""
        limit, offset = _check_page(limit, offset)
        return self._store.list_schedules(kind, enabled_only=bool(enabled_only), limit=limit, offset=offset)

    def list_fires(self, schedule_id: str, limit: int | None = None, offset: int | None = None) -> list[FireWithRun]:
        """Newest first."""
        return self._store.list_fires(schedule_id, *_check_page(limit, offset))

    def execution_stats(self, since: Instant) -> dict[str, Any]:
        counts = self._store.count_fires(parse_instant(since), Micros(self._clock.now() - self._lost_after_us))
        return {
            "total_executions": counts.total,
            "successful_executions": counts.completed,
            "lost_executions": counts.lost,
            "success_rate": counts.completed / counts.finished if counts.finished else 1.0,
        }

    def schedule_to_dict(self, row: ScheduleRow, render_context: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """A schedule as data.  Times are RFC 3339 in UTC, durations have their unit in the name.

        `render_context`: what stands for the context, made of its JSON; None: its values.
        """
        common = {
            "id": row.id,
            "workflow_name": row.workflow,
            "enabled": row.enabled,
            "created_at": to_rfc3339(row.created_at),
            "updated_at": to_rfc3339(row.updated_at),
            "last_error": row.last_error,
        }
        if row.kind == "trigger":
            return {
                **common,
                "trigger_name": row.name,
                "poll_interval_ms": row.poll_us // 1000,
                "allow_concurrent": row.allow_concurrent,
                "last_poll_at": _to_rfc3339_or_none(row.last_at),
            }
        return {
            **common,
            "name": row.name,
            "cron_expression": row.expression,
            "timezone": row.timezone,
            "catchup_policy": schedule_policy(row, self._config).effective_catchup,
            "overlap": row.overlap,
            "misfire_grace_seconds": row.misfire_grace_us / 1e6,
            "jitter_seconds": row.jitter_us / 1e6,
            "start": _to_rfc3339_or_none(row.start_at),
            "end": _to_rfc3339_or_none(row.end_at),
            "context": None if row.inputs is None else (render_context or _context_values)(row.inputs),
            "next_run_at": _to_rfc3339_or_none(row.next_at) if row.enabled else None,
            "last_run_at": _to_rfc3339_or_none(row.last_at),
        }


def _context_values(text: str) -> dict[str, Any]:
    return Context.from_json(text).to_dict()


def fire_to_dict(fired: FireWithRun) -> dict[str, Any]:
    """What became of one instant, as data; with both names the id of a run has had."""
    f = fired.fire
    status = STATUS_LABELS[fired.status] if fired.status else _FIRE_STATUS_LABELS[f.state]
    return {
        "id": f"{f.schedule_id}/{to_rfc3339(f.scheduled_at)}",
        "schedule_id": f.schedule_id,
        "scheduled_time": to_rfc3339(f.scheduled_at),
        "claimed_at": to_rfc3339(f.claimed_at),
        "pipeline_execution_id": f.run_id,
        "workflow_execution_id": f.run_id,
        "status": status,
        "reason": f.reason,
        "error_message": fired.error,
        "attempts": f.attempts,
        "started_at": _to_rfc3339_or_none(fired.started_at),
        "completed_at": _to_rfc3339_or_none(fired.finished_at),
        "created_at": to_rfc3339(f.claimed_at),
        "updated_at": _to_rfc3339_or_none(fired.finished_at) or to_rfc3339(f.claimed_at),
    }


def parse_instant(value: Instant) -> Micros:
    """A datetime, or one as text (ISO 8601, RFC 3339), as microseconds since the epoch; without a zone: local time.

    Raises ScheduleError.
    """
    try:
        return from_rfc3339(value) if isinstance(value, str) else from_datetime(value)
    except (ValueError, AttributeError, OverflowError, OSError) as error:
        raise ScheduleError(
            f"Invalid datetime format: {validation.shorten_repr(value)} is not a datetime ({str(error)[:200]})",
            hint="write 2026-11-21T05:00:00Z, or give a datetime",
        ) from None


def _to_rfc3339_or_none(instant: Micros | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)


def _timing_fields(row: ScheduleRow) -> tuple[Any, ...]:
    """What decides when a schedule fires."""
    return row.expression, row.timezone, row.start_at, row.end_at, row.jitter_us


def _check_schedule_name(name: str | None) -> str | None:
    if name is not None:
        validation.check_text(
            "the name of a schedule", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
        )
    return name


def _seconds_to_us(seconds: float, name: str) -> int:
    return round(validation.check_seconds(name, seconds, positive=False, error_class=ScheduleError) * 1e6)


def _check_page(limit: int | None, offset: int | None) -> tuple[int, int]:
    for name, value in (("limit", limit), ("offset", offset)):
        if value is not None:
            validation.check_count(name, value, error_class=ScheduleError)
    return DEFAULT_PAGE_SIZE if limit is None else limit, offset or 0


class ScheduleMethods:
    """The part of a runner that has to do with schedules and triggers.  Every error is a ValueError.

    Times in dictionaries are RFC 3339 in UTC.
    """

    _schedules: ScheduleService

    def register_cron_workflow(
        self,
        workflow_name: str,
        cron_expression: str,
        timezone: str = "UTC",
        *,
        context: Mapping[str, Any] | None = None,
        name: str | None = None,
        catchup_policy: CatchUp | None = None,
        overlap: Overlap = "allow",
        jitter_seconds: float = 0,
        start: Instant | None = None,
        end: Instant | None = None,
        misfire_grace_seconds: float = 3600,
        allow_unknown: bool = False,
    ) -> str:
        """Run a workflow at the instants a cron expression names in a time zone; returns the schedule's id.

        - `context`: what its runs begin with; `scheduled_time`, `schedule_id`, `schedule_timezone` and
          `schedule_expression` are added.
        - `name`: one schedule of each name; registering it again changes it, and what it missed meanwhile stays due.
        - `catchup_policy`, for instants nobody was there for: "skip" (only the latest, if less than
          `misfire_grace_seconds` ago), "run_once" (only the latest), "run_all" (all, the latest
          `cron_max_catchup_executions`).  None: "run_all" if that option was set, else "skip".
        - `overlap`, while a run of it is not finished: "allow", "skip", or "queue" the next.
        - `jitter_seconds`: fire up to so much later.  `start`, `end`: the first instant that may fire, and the first
          that may not.
        - `allow_unknown`: a workflow no runner of this database has known yet.

        Raises ScheduleError, WorkflowNotFound, EncodingError, StoreUnavailable, RunnerClosed.
        """
        return self._schedules.register_cron(
            workflow_name, cron_expression, timezone, context=context, name=name, catchup_policy=catchup_policy,
            overlap=overlap, jitter_seconds=jitter_seconds, start=start, end=end,
            misfire_grace_seconds=misfire_grace_seconds, allow_unknown=allow_unknown,
        )  # fmt: skip

    def list_cron_schedules(
        self, enabled_only: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """Schedules, the oldest first; 100 unless `limit` says otherwise."""
        return [
            self._schedules.schedule_to_dict(row)
            for row in self._schedules.list_rows("cron", enabled_only, limit, offset)
        ]

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """Raises ScheduleNotFound."""
        return self._schedules.schedule_to_dict(self._schedules.get_row("cron", schedule_id))

    def update_cron_schedule(self, schedule_id: str, cron_expression: str, timezone: str) -> None:
        """Other instants, from now on; what was missed before is not made up for.  Raises ScheduleNotFound."""
        self._schedules.change_timing(schedule_id, cron_expression, timezone)

    def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:
        """Stop it, or let it go on from now on.  Runs that were started go on; what waited for one of them (overlap
        "queue") is given up.  Raises ScheduleNotFound.
        """
        self._schedules.set_enabled("cron", schedule_id, enabled)

    def delete_cron_schedule(self, schedule_id: str) -> None:
        """Delete it with its history; its runs stay.  Raises ScheduleNotFound."""
        self._schedules.get_row("cron", schedule_id)
        self._schedules.delete(schedule_id)

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """What became of its instants, newest first; 100 unless `limit` says otherwise.  Raises ScheduleNotFound."""
        row = self._schedules.get_row("cron", schedule_id)
        return [fire_to_dict(fired) for fired in self._schedules.list_fires(row.id, limit, offset)]

    def get_cron_execution_stats(self, since: Instant) -> dict[str, Any]:
        """Executions of all schedules since then.  A time without a zone is local time.

        `success_rate`: completed of those that are finished, 0 to 1; 1.0 if none is.  `lost_executions`: no run could
        be made of them for `cron_lost_threshold_minutes`.
        """
        return self._schedules.execution_stats(since)

    def run_schedule_now(self, schedule_id: str) -> None:
        """Have a run of it started at once, besides its instants.  Raises ScheduleNotFound."""
        self._schedules.request_run_now(schedule_id)

    def list_trigger_schedules(
        self, enabled_only: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """Triggers, the oldest first; 100 unless `limit` says otherwise."""
        return [
            self._schedules.schedule_to_dict(row)
            for row in self._schedules.list_rows("trigger", enabled_only, limit, offset)
        ]

    def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """None: there is no such trigger."""
        try:
            return self._schedules.schedule_to_dict(self._schedules.get_row("trigger", trigger_name))
        except ScheduleNotFound:
            return None

    def set_trigger_enabled(self, trigger_name: str, enabled: bool) -> None:
        """Ask it no more, or again.  Raises ScheduleNotFound."""
        self._schedules.set_enabled("trigger", trigger_name, enabled)

    def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """When it fired, and what became of it, newest first."""
        try:
            row = self._schedules.get_row("trigger", trigger_name)
        except ScheduleNotFound:
            return []
        return [
            {**fire_to_dict(fired), "trigger_name": row.name, "context_hash": fired.fire.context_hash}
            for fired in self._schedules.list_fires(row.id, limit, offset)
        ]
