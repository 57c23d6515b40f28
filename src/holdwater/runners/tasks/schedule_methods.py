"""Schedules and triggers on a runner, in dictionaries: times in RFC 3339, durations with their unit in the name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from holdwater.errors import ScheduleNotFound
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import Micros, to_rfc3339
from holdwater.operations import schedule_queries as queries
from holdwater.operations import schedules as operations
from holdwater.operations.databases import Database
from holdwater.operations.schedule_queries import Instant
from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.runtime.config import ScheduleConfig
from holdwater.schedules import CatchUp, Overlap
from holdwater.tasks import Context

_FIRE_STATUS_LABELS: Final = {
    "queued": "Queued",
    "requested": "Queued",
    "failed": "Failed",
    "skipped": "Skipped",
    "started": "Started",
}


def schedule_to_dict(schedule: ScheduleInfo, render_context: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Convert a schedule or trigger to plain data.

    `render_context`: renders the JSON of the context; None: its values are used.
    """
    common = {
        "id": schedule.id,
        "workflow_name": schedule.workflow,
        "enabled": schedule.enabled,
        "created_at": to_rfc3339(schedule.created_at),
        "updated_at": to_rfc3339(schedule.updated_at),
        "last_error": schedule.last_error,
    }
    if schedule.kind == "trigger":
        return {
            **common,
            "trigger_name": schedule.name,
            "poll_interval_ms": schedule.poll_us // 1000,
            "allow_concurrent": schedule.allow_concurrent,
            "last_poll_at": _to_rfc3339_or_none(schedule.last_at),
        }
    return {
        **common,
        "name": schedule.name,
        "cron_expression": schedule.expression,
        "timezone": schedule.timezone,
        "catchup_policy": schedule.catchup,
        "overlap": schedule.overlap,
        "misfire_grace_seconds": schedule.misfire_grace_us / 1e6,
        "jitter_seconds": schedule.jitter_us / 1e6,
        "start": _to_rfc3339_or_none(schedule.start_at),
        "end": _to_rfc3339_or_none(schedule.end_at),
        "context": None if schedule.inputs is None else (render_context or _context_values)(schedule.inputs),
        "next_run_at": _to_rfc3339_or_none(schedule.next_at),
        "last_run_at": _to_rfc3339_or_none(schedule.last_at),
    }


def fire_to_dict(fire: FireInfo) -> dict[str, Any]:
    """Convert a fire to plain data; the id of its run has both names of the original."""
    return {
        "id": f"{fire.schedule_id}/{to_rfc3339(fire.scheduled_at)}",
        "schedule_id": fire.schedule_id,
        "scheduled_time": to_rfc3339(fire.scheduled_at),
        "claimed_at": to_rfc3339(fire.claimed_at),
        "pipeline_execution_id": fire.run_id,
        "workflow_execution_id": fire.run_id,
        "status": STATUS_LABELS[fire.run_status] if fire.run_status else _FIRE_STATUS_LABELS[fire.state],
        "reason": fire.reason,
        "error_message": fire.error,
        "attempts": fire.attempts,
        "started_at": _to_rfc3339_or_none(fire.started_at),
        "completed_at": _to_rfc3339_or_none(fire.finished_at),
        "created_at": to_rfc3339(fire.claimed_at),
        "updated_at": _to_rfc3339_or_none(fire.finished_at) or to_rfc3339(fire.claimed_at),
    }


def _context_values(text: str) -> dict[str, Any]:
    return Context.from_json(text).to_dict()


def _to_rfc3339_or_none(instant: Micros | None) -> str | None:
    return None if instant is None else to_rfc3339(instant)


class ScheduleMethods:
    """The part of a runner that has to do with schedules and triggers.  Every error is a ValueError.

    Times in dictionaries are RFC 3339 in UTC.
    """

    _database: Database
    _schedule_config: ScheduleConfig
    _lost_after_us: int

    def _knows_workflow(self, name: str) -> bool:
        """Return True if this process has registered a workflow of this name."""
        raise NotImplementedError

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

        - `context`: the initial context of its runs; `scheduled_time`, `schedule_id`, `schedule_timezone` and
          `schedule_expression` are added.
        - `name`: one schedule of each name; registering it again changes it, and what it missed meanwhile stays due.
        - `catchup_policy`, for instants at which no runner was active: "skip" (only the latest, if less than
          `misfire_grace_seconds` ago), "run_once" (only the latest), "run_all" (all, the latest
          `cron_max_catchup_executions`).  None: "run_all" if that option was set, else "skip".
        - `overlap`, while a run of it is not finished: "allow", "skip", or "queue" the next.
        - `jitter_seconds`: fire up to so much later.  `start`, `end`: the first instant that may fire, and the first
          that may not.
        - `allow_unknown`: a workflow no runner of this database has known yet.

        Raises ScheduleError, WorkflowNotFound, EncodingError, StoreUnavailable, RunnerClosed.
        """
        return operations.register_cron(
            self._database, workflow_name, cron_expression, timezone, context=context, name=name,
            catchup_policy=catchup_policy, overlap=overlap, jitter_seconds=jitter_seconds, start=start, end=end,
            misfire_grace_seconds=misfire_grace_seconds, config=self._schedule_config,
            is_known=allow_unknown or self._knows_workflow(workflow_name),
        )  # fmt: skip

    def list_cron_schedules(
        self, enabled_only: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """Schedules, the oldest first; 100 unless `limit` says otherwise."""
        found = queries.list_schedules(
            self._database, "cron", enabled_only=enabled_only, limit=limit, offset=offset, config=self._schedule_config
        )
        return [schedule_to_dict(schedule) for schedule in found]

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """Stop or resume a schedule.  Raises ScheduleNotFound."""
        return schedule_to_dict(queries.get_schedule(self._database, schedule_id, "cron", config=self._schedule_config))

    def update_cron_schedule(self, schedule_id: str, cron_expression: str, timezone: str) -> None:
        """Other instants, from now on; what was missed before is not made up for.  Raises ScheduleNotFound."""
        operations.change_timing(self._database, schedule_id, cron_expression, timezone, config=self._schedule_config)

    def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:
        """Disable a schedule, or enable it from now on.  Raises ScheduleNotFound.

        Started runs continue; fires that wait for one of them (overlap "queue") are skipped when it is disabled.
        """
        operations.set_schedule_enabled(self._database, schedule_id, enabled, config=self._schedule_config)

    def delete_cron_schedule(self, schedule_id: str) -> None:
        """Delete it with its history; its runs stay.  Raises ScheduleNotFound."""
        queries.get_schedule(self._database, schedule_id, "cron")
        operations.delete_schedule(self._database, schedule_id)

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """List the fires of a schedule, newest first, 100 by default.  Raises ScheduleNotFound."""
        schedule = queries.get_schedule(self._database, schedule_id, "cron")
        fires = queries.list_fires(self._database, schedule.id, limit=limit, offset=offset)
        return [fire_to_dict(fire) for fire in fires]

    def get_cron_execution_stats(self, since: Instant) -> dict[str, Any]:
        """Count the executions of all schedules since an instant; one without a zone is local time.

        "success_rate": share of completed executions among finished ones, 0 to 1; 1.0 without any.
        "lost_executions": executions without a run for `cron_lost_threshold_minutes`.
        """
        stats = queries.count_fires(self._database, since, lost_after_us=self._lost_after_us)
        return {
            "total_executions": stats.total,
            "successful_executions": stats.completed,
            "lost_executions": stats.lost,
            "success_rate": stats.success_rate,
        }

    def run_schedule_now(self, schedule_id: str) -> None:
        """Start a run of a schedule now, in addition to its instants.  Raises ScheduleNotFound."""
        operations.request_run_now(self._database, schedule_id)

    def list_trigger_schedules(
        self, enabled_only: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """List triggers, oldest first, 100 by default."""
        found = queries.list_schedules(self._database, "trigger", enabled_only=enabled_only, limit=limit, offset=offset)
        return [schedule_to_dict(schedule) for schedule in found]

    def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """Find a trigger by name."""
        try:
            return schedule_to_dict(queries.get_trigger(self._database, trigger_name))
        except ScheduleNotFound:
            return None

    def set_trigger_enabled(self, trigger_name: str, enabled: bool) -> None:
        """Stop or resume polling a trigger.  Raises ScheduleNotFound."""
        operations.set_trigger_enabled(self._database, trigger_name, enabled)

    def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """List the fires of a trigger, newest first; empty for an unknown one."""
        try:
            trigger = queries.get_trigger(self._database, trigger_name)
        except ScheduleNotFound:
            return []
        return [
            {**fire_to_dict(fire), "trigger_name": trigger.name, "context_hash": fire.context_hash}
            for fire in queries.list_fires(self._database, trigger.id, limit=limit, offset=offset)
        ]
