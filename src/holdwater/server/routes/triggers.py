"""Schedules and triggers: lists, one, creating, changing and deleting them, their fires."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import Depends, Path, Query
from fastapi.concurrency import run_in_threadpool

from holdwater.errors import ScheduleNotFound
from holdwater.operations.fires import ManualFire, RequestedFire, event_trees, fire_with_event
from holdwater.operations.schedule_forecast import forecast_schedule
from holdwater.operations.schedule_queries import find_schedule, get_schedule, list_fires, list_schedules
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.operations.schedules import (
    CronChanges,
    change_options,
    delete_schedule,
    register_cron,
    set_schedule_enabled,
    set_trigger_enabled,
)
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, IDEMPOTENT, TAKES_VALUES, api_router
from holdwater.server.models.triggers import (
    Deleted,
    Fire,
    FireBody,
    Fired,
    FiredExecution,
    FirePage,
    Forecast,
    NewTrigger,
    NextFire,
    PausedTrigger,
    TriggerBody,
    TriggerChanges,
    TriggerDetail,
    TriggerPage,
)
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, Offset, decode_cursor, encode_cursor
from holdwater.server.refusals import RequestError
from holdwater.server.request_values import read_values
from holdwater.server.run_paths import decode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

RECENT_FIRES = 20
FIRE_LOOK_SECONDS: Final = 0.1
"""between two looks for the run of a fire"""

router = api_router("triggers", "/triggers")


def current_trigger(
    tenant: Tenant,
    name: Annotated[
        str,
        Path(max_length=512, description="name, or id; `/` in it is written `~1`, `~` as `~0`", examples=["nightly"]),
    ],
) -> ScheduleInfo:
    """Find the schedule or trigger in a path.  Raises ScheduleNotFound."""
    wanted = decode_run_id(name)
    found = find_schedule(tenant.database, wanted)
    if wanted not in (found.name, found.id):
        raise ScheduleNotFound(f"there is no schedule or trigger {wanted!r}", hint=f"did you mean {found.name!r}?")
    return found


Trigger = Annotated[ScheduleInfo, Depends(current_trigger)]


@router.get("")
def list_triggers(
    tenant: Tenant, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0, cursor: Cursor = None
) -> TriggerPage:
    """List schedules and triggers, the oldest first."""
    parts = ["triggers", tenant.tenant]
    first = offset if cursor is None else decode_cursor(cursor, parts, (int,))[0]
    found = list_schedules(tenant.database, limit=limit + 1, offset=first)
    return TriggerPage(
        tenant_id=tenant.tenant,
        items=[TriggerBody.of(info) for info in found[:limit]],
        total=min(len(found), limit),
        next_cursor=encode_cursor([first + limit], parts) if len(found) > limit else None,
    )


@router.post("", status_code=201, responses=CHANGE_ERRORS, openapi_extra={**TAKES_VALUES, **IDEMPOTENT})
def create_trigger(tenant: Tenant, body: NewTrigger) -> TriggerDetail:
    """Create a cron schedule; one of this name that is there already is an error."""
    database = writable_database(tenant)
    if body.name is not None and database.store.schedule_by_name("cron", body.name) is not None:
        raise RequestError(409, f"there is a schedule {body.name!r} already", code="trigger_exists", hint="PATCH it")
    schedule_id = register_cron(
        database,
        body.workflow_name,
        body.cron_expression,
        body.timezone,
        context=None if body.context is None else read_values(body.context),
        name=body.name,
        catchup_policy=body.catchup,
        overlap=body.overlap or "allow",
        jitter_seconds=body.jitter_seconds or 0,
        start=body.start_at,
        end=body.end_at,
        misfire_grace_seconds=3600 if body.misfire_grace_seconds is None else body.misfire_grace_seconds,
        is_known=body.allow_unknown,
    )
    return _detail(tenant, get_schedule(database, schedule_id))


@router.get("/{name}")
def get_trigger(tenant: Tenant, trigger: Trigger) -> TriggerDetail:
    """Read a schedule or trigger with its latest fires."""
    return _detail(tenant, trigger)


@router.patch("/{name}", responses=CHANGE_ERRORS, openapi_extra=TAKES_VALUES)
def change_trigger(tenant: Tenant, trigger: Trigger, body: TriggerChanges) -> TriggerDetail:
    """Change a cron schedule; its workflow, name, state and history stay."""
    change_options(writable_database(tenant), trigger, **_given_options(body))
    return _detail(tenant, get_schedule(tenant.database, trigger.id))


@router.delete("/{name}", responses=CHANGE_ERRORS)
def delete_trigger(tenant: Tenant, trigger: Trigger) -> Deleted:
    """Delete a schedule or trigger with its history; its runs stay."""
    delete_schedule(writable_database(tenant), trigger.id)
    return Deleted(name=trigger.name or trigger.id)


@router.post("/{name}/pause", responses=CHANGE_ERRORS)
def pause_trigger(tenant: Tenant, trigger: Trigger) -> PausedTrigger:
    """Stop it; what it has queued is skipped."""
    return _set_enabled(tenant, trigger, False)


@router.post("/{name}/resume", responses=CHANGE_ERRORS)
def resume_trigger(tenant: Tenant, trigger: Trigger) -> PausedTrigger:
    """Let it go on from now on."""
    return _set_enabled(tenant, trigger, True)


@router.post("/{name}/fire", responses=CHANGE_ERRORS, openapi_extra={**TAKES_VALUES, **IDEMPOTENT})
async def fire_trigger(tenant: Tenant, trigger: Trigger, body: FireBody | None = None) -> Fired:
    """Start a run at once, whatever the fire times, overlap or state.

    A fire without an `event` is part of the history, and the answer waits for its run if a runner is there that takes
    it; one with an event is a run that is started with these values.
    """
    event = {} if body is None else body.event
    if event:
        values = await run_in_threadpool(lambda: read_values(event_trees(trigger, event)))
        found = await run_in_threadpool(fire_with_event, tenant.engine, trigger, values)
    else:
        found = await _fire(tenant, trigger)
    return Fired(
        trigger=trigger.name or trigger.id,
        tenant_id=tenant.tenant,
        fired=1,
        executions=[FiredExecution(execution_id=one, workflow_name=trigger.workflow) for one in found.run_ids],
        fire=None if found.fire is None else Fire.of(found.fire),
    )


async def _fire(tenant: TenantDatabase, trigger: ScheduleInfo) -> ManualFire:
    """Ask for a fire, and wait for its run without a thread."""
    asked = await run_in_threadpool(RequestedFire, writable_database(tenant), trigger.id)
    while (found := await run_in_threadpool(asked.look)) is None:
        await asyncio.sleep(FIRE_LOOK_SECONDS)
    return found


@router.get("/{name}/next")
def list_next_fires(
    tenant: Tenant, trigger: Trigger, count: Annotated[int, Query(ge=1, le=100, description="number of fires")] = 10
) -> Forecast:
    """List the next fires of a cron schedule, with notes about changes of the clock."""
    found = forecast_schedule(trigger, tenant.database.clock.now(), count=count)
    return Forecast(words=found.words, items=[NextFire.of(fire) for fire in found.fires])


@router.get("/{name}/history")
def list_trigger_history(
    tenant: Tenant, trigger: Trigger, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0, cursor: Cursor = None
) -> FirePage:
    """List the fires of a schedule or trigger, newest first, skipped ones with their reasons."""
    parts = ["fires", tenant.tenant, trigger.id]
    first = offset if cursor is None else decode_cursor(cursor, parts, (int,))[0]
    found = list_fires(tenant.database, trigger.id, limit=limit + 1, offset=first)
    return FirePage(
        tenant_id=tenant.tenant,
        trigger=trigger.name or trigger.id,
        items=[Fire.of(fire) for fire in found[:limit]],
        total=min(len(found), limit),
        next_cursor=encode_cursor([first + limit], parts) if len(found) > limit else None,
    )


def _set_enabled(tenant: TenantDatabase, trigger: ScheduleInfo, enabled: bool) -> PausedTrigger:
    database = writable_database(tenant)
    if trigger.kind == "cron":
        set_schedule_enabled(database, trigger.id, enabled)
    else:
        set_trigger_enabled(database, trigger.name or "", enabled)
    found = _detail(tenant, get_schedule(database, trigger.id))
    facts = {name: getattr(found, name) for name in TriggerDetail.model_fields}
    return PausedTrigger(**facts, name=trigger.name or trigger.id, status="resumed" if enabled else "paused")


def _detail(tenant: TenantDatabase, info: ScheduleInfo) -> TriggerDetail:
    fires = list_fires(tenant.database, info.id, limit=RECENT_FIRES)
    facts = TriggerBody.of(info)
    return TriggerDetail(
        **facts.model_dump(),
        tenant_id=tenant.tenant,
        schedule=facts,
        recent_executions=[Fire.of(fire) for fire in fires],
    )


def _given_options(body: TriggerChanges) -> CronChanges:
    """Return the options that a body gives; null is the default."""
    given = body.model_fields_set
    changes: CronChanges = {}
    if body.cron_expression:
        changes["expression"] = body.cron_expression
    if body.timezone:
        changes["timezone"] = body.timezone
    if "context" in given:
        changes["context"] = None if body.context is None else read_values(body.context)
    if "catchup" in given:
        changes["catchup_policy"] = body.catchup
    if "overlap" in given:
        changes["overlap"] = body.overlap or "allow"
    if "jitter_seconds" in given:
        changes["jitter_seconds"] = body.jitter_seconds or 0
    if "misfire_grace_seconds" in given:
        changes["misfire_grace_seconds"] = 3600 if body.misfire_grace_seconds is None else body.misfire_grace_seconds
    if "start_at" in given:
        changes["start"] = body.start_at
    if "end_at" in given:
        changes["end"] = body.end_at
    return changes
