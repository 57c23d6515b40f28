"""Schedules and triggers of a server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Unpack

from holdwater.client.interface.schedules import Schedules
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import PAGE_ITEMS, ServerConnection
from holdwater.client.server.parsing import Body, instant, instant_or_none
from holdwater.client.server.run_control import encode_values, new_key
from holdwater.errors import RequestRefused
from holdwater.model.statuses import RunStatus
from holdwater.model.time import to_rfc3339
from holdwater.operations.fires import PICKUP_SECONDS, ManualFire
from holdwater.operations.schedule_queries import choose_schedule, parse_instant
from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.operations.schedules import CronChanges


class ServerSchedules(Schedules):
    """Schedules and triggers of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_schedules(self, *, enabled_only: bool = False) -> Sequence[ScheduleInfo]:
        found = [schedule_of(one) for one in self._connection.items(self._path())]
        return [one for one in found if one.enabled or not enabled_only]

    def find_schedule(self, reference: str) -> ScheduleInfo:
        return choose_schedule(self.list_schedules(), reference)

    def list_fires(self, schedule: ScheduleInfo, *, limit: int = 100) -> Sequence[FireInfo]:
        if not limit:
            return []
        found = self._connection.items(self._path(schedule.id, "history"), limit=min(limit, PAGE_ITEMS))
        return [_fire_of(one, schedule.id) for one in itertools.islice(found, limit)]

    def register_cron(
        self,
        workflow: str,
        expression: str,
        timezone: str = "UTC",
        *,
        name: str | None = None,
        context: Mapping[str, Any] | None = None,
        catchup_policy: str | None = None,
        misfire_grace_seconds: float = 3600.0,
        overlap: str = "allow",
        jitter_seconds: float = 0.0,
        start: datetime | None = None,
        end: datetime | None = None,
        is_known: bool = False,
    ) -> ScheduleInfo:
        given = {"context": context, "catchup_policy": catchup_policy, "overlap": overlap, "start": start, "end": end}
        seconds = {"misfire_grace_seconds": misfire_grace_seconds, "jitter_seconds": jitter_seconds}
        options = _options_of({"expression": expression, "timezone": timezone, **given, **seconds})
        new = {"name": name, "workflow_name": workflow, "allow_unknown": is_known}
        try:
            return schedule_of(self._connection.post(self._path(), {**new, **options}, key=new_key()))
        except RequestRefused as error:
            if error.code != "trigger_exists" or name is None:
                raise
        return schedule_of(self._connection.send("PATCH", self._path(name), json=options))

    def set_enabled(self, schedule: ScheduleInfo, enabled: bool) -> ScheduleInfo:
        verb = "resume" if enabled else "pause"
        return schedule_of(self._connection.post(self._path(schedule.id, verb)))

    def delete_schedule(self, schedule: ScheduleInfo) -> None:
        self._connection.send("DELETE", self._path(schedule.id))

    def change_cron(self, schedule: ScheduleInfo, **changes: Unpack[CronChanges]) -> ScheduleInfo:
        return schedule_of(self._connection.send("PATCH", self._path(schedule.id), json=_options_of(changes)))

    def fire(
        self, schedule: ScheduleInfo, event: Mapping[str, Any] | None = None, *, pickup_seconds: float = PICKUP_SECONDS
    ) -> ManualFire:
        body = {"event": encode_values(event)} if event else None
        fired = self._connection.post(self._path(schedule.id, "fire"), body, key=new_key())
        runs = tuple([one["execution_id"] for one in fired["executions"]])
        return ManualFire(runs, None if fired["fire"] is None else _fire_of(fired["fire"], schedule.id))

    def _path(self, *parts: str) -> str:
        return self._connection.path("triggers", *parts)


_NAMES: Final = {"expression": "cron_expression", "catchup_policy": "catchup", "start": "start_at", "end": "end_at"}
"""options of a schedule that have other names in the API"""


def _options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Write options of a schedule as the API takes them.  Raises EncodingError, ScheduleError."""
    options = {_NAMES.get(name, name): value for name, value in given.items()}
    if options.get("context") is not None:
        options["context"] = encode_values(options["context"])
    for name in ("start_at", "end_at"):
        if options.get(name) is not None:
            options[name] = to_rfc3339(parse_instant(options[name]))
    return options


@parsing
def schedule_of(data: Body) -> ScheduleInfo:
    """Parse a schedule or trigger; values of its context are plain."""
    context = data["context"]
    return ScheduleInfo(
        id=data["id"],
        kind=data["schedule_type"],
        name=data["trigger_name"],
        workflow=data["workflow_name"],
        enabled=data["enabled"],
        expression=data["cron_expression"] or "",
        timezone=data["timezone"] or "",
        inputs=None if context is None else json.dumps(context),
        catchup=data["catchup"] or "skip",
        overlap=data["overlap"] or "allow",
        misfire_grace_us=_microseconds(data["misfire_grace_seconds"]),
        jitter_us=_microseconds(data["jitter_seconds"]),
        start_at=instant_or_none(data["start_at"]),
        end_at=instant_or_none(data["end_at"]),
        poll_us=(data["poll_interval_ms"] or 0) * 1000,
        allow_concurrent=bool(data["allow_concurrent"]),
        created_at=instant(data["created_at"]),
        updated_at=instant(data["updated_at"]),
        last_at=instant_or_none(data["last_run_at"]),
        next_at=instant_or_none(data["next_run_at"]),
        last_error=data["last_error"],
    )


def _microseconds(seconds: float | None) -> int:
    return 0 if seconds is None else round(seconds * 1e6)


@parsing
def _fire_of(data: Body, schedule_id: str) -> FireInfo:
    status = data["execution_status"]
    return FireInfo(
        schedule_id=schedule_id,
        scheduled_at=instant(data["scheduled_time"]),
        state=data["state"],
        claimed_at=instant(data["claimed_at"]),
        attempts=data["attempts"],
        run_id=data["execution_id"],
        reason=data["reason"],
        context_hash=None,
        run_status=None if status is None else RunStatus(status),
        started_at=instant_or_none(data["started_at"]),
        finished_at=instant_or_none(data["completed_at"]),
        error=data["error"],
    )
