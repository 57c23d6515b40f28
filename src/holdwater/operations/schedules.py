"""Changing the schedules and triggers of a database.  Runners on it fire them; a change is compare-and-set.

Every function raises StoreUnavailable, also for a schedule that fires too often to be changed between two fires.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypedDict, Unpack

from holdwater.errors import ScheduleError, ScheduleOfPackage, StoreUnavailable, WorkflowNotFound
from holdwater.model import validation
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import Micros, to_rfc3339
from holdwater.operations.databases import Database
from holdwater.operations.schedule_queries import (
    DEFAULT_CONFIG,
    Instant,
    parse_instant,
    read_schedule,
    read_trigger,
)
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.services.schedules import schedule_policy
from holdwater.schedules import CatchUp, Cron, Overlap, decide_due
from holdwater.tasks import Context

_MAX_WRITE_ATTEMPTS: Final = 50
"""attempts of a change that conflicts with fires of the schedule"""


class CronChanges(TypedDict, total=False):
    """Options of a cron schedule that may be changed."""

    expression: str
    timezone: str
    context: Mapping[str, Any] | None
    catchup_policy: CatchUp | None
    overlap: Overlap
    jitter_seconds: float
    misfire_grace_seconds: float
    start: Instant | None
    end: Instant | None


def register_cron(
    database: Database,
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
    is_known: bool = False,
    is_of_package: bool = False,
    config: ScheduleConfig = DEFAULT_CONFIG,
) -> str:
    """Write a cron schedule; one of this `name` that is there already is changed.  Returns its id.

    `is_known`: do not ask whether a runner of the database has registered the workflow.  `is_of_package`: the package
    that names like this one belong to writes it.
    Raises ScheduleError, ScheduleOfPackage, WorkflowNotFound, EncodingError.
    """
    now = database.clock.now()
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
    if not is_of_package:
        _check_not_of_package(database, row.name)
    _recompute_next_fire(row, now, config)
    _check_fires_again(row)
    if not (is_known or database.store.is_workflow_registered(workflow)):
        raise WorkflowNotFound(
            f"no workflow named {workflow!r} is known to this process or to another runner of this database",
            hint="import the module that defines it, or say allow_unknown=True if a runner to come will know it",
        )
    if name is not None:
        return _upsert_by_name(database, row, config)
    if not database.store.put_schedule(row):
        raise StoreUnavailable("the schedule could not be written")  # a uuid that is there already
    database.on_schedules_changed()
    return row.id


def _upsert_by_name(database: Database, row: ScheduleRow, config: ScheduleConfig) -> str:
    for _ in range(_MAX_WRITE_ATTEMPTS):
        old = database.store.schedule_by_name("cron", row.name or "")
        if old is None:
            if database.store.put_schedule(row):
                database.on_schedules_changed()
                return row.id
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
            _recompute_next_fire(new, row.created_at, config)
        schedule_id = old.id
        if database.store.put_schedule(new):
            database.on_schedules_changed()
            return schedule_id
    raise StoreUnavailable(f"schedule {row.name!r} is being changed too often to be changed here")


def change_timing(
    database: Database, schedule_id: str, expression: str, timezone: str, *, config: ScheduleConfig = DEFAULT_CONFIG
) -> None:
    """Other fire times, from now on; missed ones are not made up for.

    Raises ScheduleNotFound, ScheduleError, ScheduleOfPackage.
    """

    def change(row: ScheduleRow, now: Micros) -> None:
        _check_not_of_package(database, row.name)
        row.expression, row.timezone = expression, timezone
        _recompute_next_fire(row, now, config)
        _check_fires_again(row)

    _update(database, lambda: read_schedule(database.store, schedule_id, "cron"), change)


def change_cron(
    database: Database,
    schedule_id: str,
    expression: str,
    timezone: str,
    *,
    context: Mapping[str, Any] | None = None,
    catchup_policy: CatchUp | None = None,
    overlap: Overlap = "allow",
    jitter_seconds: float = 0,
    start: Instant | None = None,
    end: Instant | None = None,
    misfire_grace_seconds: float = 3600,
    config: ScheduleConfig = DEFAULT_CONFIG,
) -> None:
    """Give a cron schedule other fire times and options; its workflow, name, state and history stay.

    Other fire times are in force from now on; missed ones are not made up for.
    Raises ScheduleNotFound, ScheduleError, ScheduleOfPackage, EncodingError.
    """

    def change(row: ScheduleRow, now: Micros) -> None:
        _check_not_of_package(database, row.name)
        before = _timing_fields(row)
        row.expression, row.timezone = expression, timezone
        row.inputs = None if context is None else Context(context).to_json()
        row.catchup, row.overlap = catchup_policy, overlap
        row.misfire_grace_us = _seconds_to_us(misfire_grace_seconds, "misfire_grace_seconds")
        row.jitter_us = _seconds_to_us(jitter_seconds, "jitter_seconds")
        row.start_at = None if start is None else parse_instant(start)
        row.end_at = None if end is None else parse_instant(end)
        if _timing_fields(row) != before:
            _recompute_next_fire(row, now, config)
            _check_fires_again(row)
        else:
            schedule_policy(row, config)
            row.updated_at = now

    _update(database, lambda: read_schedule(database.store, schedule_id, "cron"), change)


def change_options(database: Database, schedule: ScheduleInfo, **changes: Unpack[CronChanges]) -> None:
    """Change what is given of a cron schedule; the rest stays.

    Raises ScheduleNotFound, ScheduleError, ScheduleOfPackage, EncodingError.
    """
    options: dict[str, Any] = {
        "expression": schedule.expression,
        "timezone": schedule.timezone,
        "context": None if schedule.inputs is None else Context.from_json(schedule.inputs),
        "catchup_policy": schedule.catchup,
        "overlap": schedule.overlap,
        "jitter_seconds": schedule.jitter_us / 1e6,
        "misfire_grace_seconds": schedule.misfire_grace_us / 1e6,
        "start": None if schedule.start_at is None else to_rfc3339(schedule.start_at),
        "end": None if schedule.end_at is None else to_rfc3339(schedule.end_at),
    } | changes
    if schedule.kind != "cron":
        raise ScheduleError("the interval and the options of a trigger are in its code", hint="pause it, or resume it")
    change_cron(database, schedule.id, **options)


def set_schedule_enabled(
    database: Database, schedule_id: str, enabled: bool, *, config: ScheduleConfig = DEFAULT_CONFIG
) -> None:
    """Stop a cron schedule, or let it go on from now on.  What it has queued is skipped when it is stopped.

    Raises ScheduleNotFound, ScheduleError.
    """
    _set_enabled(database, lambda: read_schedule(database.store, schedule_id, "cron"), enabled, config)


def set_trigger_enabled(database: Database, name: str, enabled: bool) -> None:
    """Stop polling a trigger, or poll it again.  Raises ScheduleNotFound, ScheduleError."""
    _set_enabled(database, lambda: read_trigger(database.store, name), enabled, DEFAULT_CONFIG)


def delete_schedule(database: Database, schedule_id: str) -> None:
    """Delete a schedule or a trigger with its history; its runs stay.  Raises ScheduleNotFound, ScheduleOfPackage."""
    _check_not_of_package(database, read_schedule(database.store, schedule_id).name)
    database.store.delete_schedule(schedule_id)
    database.on_schedules_changed()


def request_run_now(database: Database, schedule_id: str) -> Micros:
    """Have a runner that has the workflow start a run at once, whatever the fire times, overlap or state.

    Returns the instant of this fire in the history of the schedule.  Raises ScheduleNotFound.
    """
    store = database.store
    for _ in range(_MAX_WRITE_ATTEMPTS):
        row, now = read_schedule(store, schedule_id), database.clock.now()
        at = max(now, Micros(max((f.fire.scheduled_at for f in store.list_fires(row.id, 1)), default=0) + 1))
        if store.commit_firings([Firing(row, [], [FireRow(row.id, at, "requested", now)])])[0]:
            database.on_schedules_changed()
            return at
    raise StoreUnavailable(f"schedule {schedule_id} is being changed too often")


_ReadRow = Callable[[], ScheduleRow]


def _set_enabled(database: Database, read: _ReadRow, enabled: bool, config: ScheduleConfig) -> None:
    if not isinstance(enabled, bool):
        raise ScheduleError(f"enabled is True or False, not {enabled!r}")
    if enabled:  # what a process left that died while it disabled the schedule
        _skip_queued_fires(database, read)

    def change(row: ScheduleRow, now: Micros) -> None:
        if row.enabled == enabled:
            return
        row.enabled, row.updated_at = enabled, now
        if enabled and row.kind == "cron":
            _recompute_next_fire(row, now, config)
        elif enabled:
            row.next_at = now

    _update(database, read, change)
    if not enabled:
        _skip_queued_fires(database, read)


def _skip_queued_fires(database: Database, read: _ReadRow) -> None:
    """Skip what waits for an earlier run of a disabled schedule.  One that is enabled is left alone."""
    for _ in range(_MAX_WRITE_ATTEMPTS):
        row = read()
        fires = [] if row.enabled else database.store.queued_fires(row.id)
        for fire in fires:
            fire.state, fire.reason = "skipped", "the schedule was disabled while this waited for an earlier run"
        if not fires or database.store.commit_firings([Firing(row, fires=fires)])[0]:
            return
    raise StoreUnavailable(f"schedule {row.id} is being changed too often to be changed here")


def _update(database: Database, read: _ReadRow, change: Callable[[ScheduleRow, Micros], None]) -> None:
    for _ in range(_MAX_WRITE_ATTEMPTS):
        row = read()
        new = replace(row)
        change(new, database.clock.now())
        if new == row:
            return
        if database.store.put_schedule(new):
            database.on_schedules_changed()
            return
    raise StoreUnavailable(f"schedule {row.id} is being changed too often to be changed here")


def _recompute_next_fire(row: ScheduleRow, now: Micros, config: ScheduleConfig) -> None:
    """From now on.  Raises ScheduleError."""
    row.updated_at, row.settled_at, row.last_error = now, max(now, row.settled_at), None
    cron = Cron(row.expression, row.timezone)
    policy = schedule_policy(row, config)
    row.next_at = decide_due(cron, row.id, row.settled_at, row.settled_at, policy).next_check_at


def _check_fires_again(row: ScheduleRow) -> None:
    """Raise ScheduleError for a schedule that has no instant from now on."""
    if row.next_at is None:
        raise ScheduleError(f"cron expression {row.expression!r} does not fire any more before the schedule ends")


def _timing_fields(row: ScheduleRow) -> tuple[Any, ...]:
    """Return the fields that determine the fire times of a schedule."""
    return row.expression, row.timezone, row.start_at, row.end_at, row.jitter_us


def _check_not_of_package(database: Database, name: str | None) -> None:
    """Raise ScheduleOfPackage for a name that belongs to a package: what is written there is the package's, or lost."""
    package, _, rest = (name or "").partition("/")
    if rest and any([row.state not in ("draining", "gone") for row in database.store.list_releases(package)]):
        raise ScheduleOfPackage(
            f"{name!r} belongs to the package {package!r}, which writes its schedules and triggers itself",
            hint="pause it, or change the package and upload its next version; schedules of your own need another name",
        )


def _check_schedule_name(name: str | None) -> str | None:
    if name is not None:
        validation.check_text(
            "the name of a schedule", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
        )
    return name


def _seconds_to_us(seconds: float, name: str) -> int:
    return round(validation.check_seconds(name, seconds, positive=False, error_class=ScheduleError) * 1e6)
