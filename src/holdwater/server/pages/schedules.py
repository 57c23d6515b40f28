"""Schedules and triggers: the list, one of them with its next fires and its history, and acts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import RUN_MARKS, MarkName
from holdwater.errors import ScheduleError
from holdwater.operations.databases import Database
from holdwater.operations.schedule_forecast import CronForecast, forecast_cron
from holdwater.operations.schedule_queries import get_schedule, list_fires, list_schedules
from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.operations.schedules import (
    delete_schedule,
    request_run_now,
    set_schedule_enabled,
    set_trigger_enabled,
)
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.notices import Notice
from holdwater.server.pages.schedule_contexts import show_context
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

PAGE_SCHEDULES: Final = 100
PAGE_FIRES: Final = 50
_FIRE_MARKS: Final[dict[str, MarkName]] = {
    "started": "running",
    "queued": "queued",
    "requested": "queued",
    "failed": "failed",
    "skipped": "skipped",
}


@dataclass(frozen=True, slots=True)
class ShownSchedule:
    """A schedule with what a page says of it.

    `timing`: its expression in words, or the interval between polls.  `last`: its latest fire, None if there is none.
    """

    info: ScheduleInfo
    timing: str
    last: FireInfo | None

    @property
    def name(self) -> str:
        """Its name, or that of its workflow."""
        return self.info.name or self.info.workflow

    @property
    def reference(self) -> str:
        """Its name, or its id: what the command line finds it by."""
        return self.info.name or self.info.id

    @property
    def mark(self) -> MarkName:
        """The mark of its state."""
        return "failed" if self.info.last_error else "waiting" if self.info.enabled else "paused"

    @property
    def state_word(self) -> str:
        """Its state in a word."""
        return "Error" if self.info.last_error else "On" if self.info.enabled else "Paused"


def fire_mark(fire: FireInfo) -> tuple[MarkName, str]:
    """Return the mark and the word of a fire: those of its run, if there is one."""
    if fire.run_status is not None:
        return RUN_MARKS[fire.run_status], fire.run_status.capitalize()
    return _FIRE_MARKS[fire.state], fire.state.capitalize()


def _describe_timing(info: ScheduleInfo) -> str:
    if info.kind == "trigger":
        return f"Polled every {info.poll_us / 1e6:g} s"
    try:
        return forecast_cron(info.expression, info.timezone, info.created_at, count=0).words
    except ScheduleError as error:  # of a database that another version has written
        return error.message


def show_schedule(database: Database, info: ScheduleInfo) -> ShownSchedule:
    """Add what a page says of a schedule."""
    return ShownSchedule(info, _describe_timing(info), next(iter(list_fires(database, info.id, limit=1)), None))


@router.get("/schedules")
def schedules_page(
    request: Request,
    tenant: Tenant,
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
    fragment: str = "",
) -> HTMLResponse:
    """Show the schedules and triggers, the oldest first."""
    database = tenant.database
    found = list_schedules(database, limit=PAGE_SCHEDULES + 1, offset=(page - 1) * PAGE_SCHEDULES)
    values: dict[str, Any] = {
        "section": "schedules",
        "schedules": [show_schedule(database, info) for info in found[:PAGE_SCHEDULES]],
        "page": page,
        "has_more": len(found) > PAGE_SCHEDULES,
        "fire_mark": fire_mark,
        "add_command": command_line(tenant, "schedules", "add", "WORKFLOW", "0 2 * * *", "--timezone", "Europe/Berlin"),
    }
    if fragment == "rows":
        return render_fragment(request, "schedules/rows.html", tenant, **values)
    return render(request, "schedules/list.html", tenant, **values)


@router.get("/schedules/{schedule_id}")
def schedule_page(
    request: Request,
    tenant: Tenant,
    schedule_id: str,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    fragment: str = "",
) -> HTMLResponse:
    """Show a schedule with its next fires and its history, newest first."""
    database = tenant.database
    info = get_schedule(database, schedule_id)
    fires = list_fires(database, info.id, limit=PAGE_FIRES + 1, offset=(page - 1) * PAGE_FIRES)
    shown = show_schedule(database, info)
    commands = {
        verb: command_line(tenant, "schedules", verb, shown.reference)
        for verb in ("pause", "resume", "run-now", "remove")
    }
    values: dict[str, Any] = {
        "section": "schedules",
        "schedule": shown,
        "inputs": show_context(info.inputs),
        "forecast": _forecast(tenant, info),
        "fires": fires[:PAGE_FIRES],
        "page": page,
        "has_more": len(fires) > PAGE_FIRES,
        "fire_mark": fire_mark,
        "commands": commands,
    }
    if fragment == "history":
        return render_fragment(request, "schedules/history.html", tenant, **values)
    return render(request, "schedules/show.html", tenant, **values)


def _forecast(tenant: TenantDatabase, info: ScheduleInfo) -> CronForecast | None:
    """Return the next fires of a cron schedule, None for one that will not fire."""
    if info.kind != "cron" or not info.enabled or info.next_at is None:
        return None
    after = tenant.database.clock.now()
    if info.start_at is not None and info.start_at > after:
        after = type(after)(info.start_at - 1)
    return forecast_cron(info.expression, info.timezone, after, until=info.end_at)


# -- acts


def _act(
    request: Request, tenant: TenantDatabase, schedule_id: str, act: Callable[[Database, ShownSchedule], str]
) -> Response:
    """Change a schedule, and go back to its page.  `act`: returns the text of the notice."""
    url = page_url(request, tenant, f"/schedules/{schedule_id}")

    def change() -> Notice:
        database = writable_database(tenant)
        shown = show_schedule(database, get_schedule(database, schedule_id))
        return Notice(act(database, shown))

    return act_and_redirect(request, url, change)


def _set_enabled(database: Database, info: ScheduleInfo, enabled: bool) -> None:
    if info.kind == "cron":
        set_schedule_enabled(database, info.id, enabled)
    else:
        set_trigger_enabled(database, info.name or "", enabled)


@router.post("/schedules/{schedule_id}/pause")
def pause_schedule(request: Request, tenant: Tenant, schedule_id: str) -> Response:
    """Fire no more; runs that were started go on."""

    def act(database: Database, shown: ShownSchedule) -> str:
        _set_enabled(database, shown.info, False)
        return f"{shown.name} is paused: it fires no more until it is resumed."

    return _act(request, tenant, schedule_id, act)


@router.post("/schedules/{schedule_id}/resume")
def resume_schedule(request: Request, tenant: Tenant, schedule_id: str) -> Response:
    """Let a paused schedule go on from now on."""

    def act(database: Database, shown: ShownSchedule) -> str:
        _set_enabled(database, shown.info, True)
        return f"{shown.name} fires again from now on."

    return _act(request, tenant, schedule_id, act)


@router.post("/schedules/{schedule_id}/run")
def run_schedule_now(request: Request, tenant: Tenant, schedule_id: str) -> Response:
    """Have a runner start a run at once."""

    def act(database: Database, shown: ShownSchedule) -> str:
        request_run_now(database, shown.info.id)
        return f"A run of {shown.info.workflow} is requested. A runner that has the workflow starts it."

    return _act(request, tenant, schedule_id, act)


@router.post("/schedules/{schedule_id}/delete")
def remove_schedule(request: Request, tenant: Tenant, schedule_id: str) -> Response:
    """Delete a schedule with its history; its runs stay."""

    def delete() -> Notice:
        database = writable_database(tenant)
        shown = show_schedule(database, get_schedule(database, schedule_id))
        delete_schedule(database, shown.info.id)
        return Notice(f"{shown.name} is deleted with its history. Its runs stay.")

    failed_url = page_url(request, tenant, f"/schedules/{schedule_id}")
    return act_and_redirect(request, page_url(request, tenant, "/schedules"), delete, failed_url=failed_url)
