"""The form of a cron schedule, new or changed, with a preview of its next fires while it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, cast, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from holdwater.errors import HoldwaterError, ScheduleError, WorkflowNotFound
from holdwater.model.time import to_rfc3339
from holdwater.operations.schedule_forecast import CronForecast, check_timezone, forecast_cron, list_timezones
from holdwater.operations.schedule_queries import get_schedule, parse_instant
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.operations.schedules import change_cron, register_cron
from holdwater.schedules import CatchUp, Overlap
from holdwater.server.acts import page_url, writable_database
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.pages.schedule_contexts import parse_context, plain_context
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

CATCH_UPS: Final = {
    "": "as the runner is configured",
    "skip": "skip them",
    "run_once": "one run for all of them",
    "run_all": "a run for each of them",
}
OVERLAPS: Final = {
    "allow": "start another run",
    "skip": "skip the fire",
    "queue": "start it when the earlier run has ended",
}


@dataclass(slots=True)
class ScheduleForm:
    """The fields of the form as texts, and an error by the name of the field it belongs to ("": to none)."""

    workflow: str = ""
    name: str = ""
    expression: str = ""
    timezone: str = "UTC"
    context: str = ""
    catchup: str = ""
    overlap: str = "allow"
    grace: str = "3600"
    jitter: str = "0"
    start: str = ""
    end: str = ""
    allow_unknown: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, info: ScheduleInfo) -> ScheduleForm:
        """Create the form of a schedule that is there."""
        return cls(
            info.workflow,
            info.name or "",
            info.expression,
            info.timezone,
            "" if info.inputs is None else json.dumps(plain_context(info.inputs), indent=2, ensure_ascii=False),
            info.catchup,
            info.overlap,
            f"{info.misfire_grace_us / 1e6:g}",
            f"{info.jitter_us / 1e6:g}",
            "" if info.start_at is None else to_rfc3339(info.start_at),
            "" if info.end_at is None else to_rfc3339(info.end_at),
        )

    def options(self) -> dict[str, Any]:
        """Check the fields and return the options of a schedule; what does not fit is in `errors`."""
        options: dict[str, Any] = {
            "catchup_policy": cast(CatchUp, self.catchup) if self.catchup in get_args(CatchUp) else None,
            "overlap": cast(Overlap, self.overlap) if self.overlap in get_args(Overlap) else "allow",
            "jitter_seconds": self._seconds("jitter"),
            "misfire_grace_seconds": self._seconds("grace"),
            "start": self.start.strip() or None,
            "end": self.end.strip() or None,
        }
        for name in ("start", "end"):
            if options[name] is not None:
                try:
                    parse_instant(options[name])
                except ScheduleError as error:
                    self.errors[name] = f"not an instant; {error.hint}"
        try:
            options["context"] = parse_context(self.context)
        except ValueError as error:
            self.errors["context"] = str(error)
        return options

    def _seconds(self, name: str) -> float:
        try:
            return float(getattr(self, name) or 0)
        except ValueError:
            self.errors[name] = "a number of seconds"
            return 0.0

    def forecast(self, tenant: TenantDatabase) -> CronForecast | None:
        """Return the next fires, None if there is no expression yet or it does not fit, which `errors` says."""
        if not self.expression.strip():
            return None
        try:
            check_timezone(self.timezone)
        except ScheduleError as error:
            self.errors["timezone"] = _in_words(error)
            return None
        try:
            return forecast_cron(self.expression, self.timezone, tenant.database.clock.now())
        except ScheduleError as error:
            self.errors["expression"] = _in_words(error)
            return None


def _in_words(error: HoldwaterError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message


_NAMES: Final = tuple(one.name for one in fields(ScheduleForm) if one.name != "errors")
MAX_FIELD_CHARACTERS: Final = 100_000


def _take_texts(form: ScheduleForm, given: Mapping[str, Any]) -> ScheduleForm:
    """Take over the fields that a query or a posted form has."""
    for name in _NAMES:
        if isinstance(value := given.get(name), str):
            setattr(form, name, value[:MAX_FIELD_CHARACTERS])
    return form


def _show(
    request: Request, tenant: TenantDatabase, form: ScheduleForm, info: ScheduleInfo | None, status_code: int = 200
) -> HTMLResponse:
    forecast = form.forecast(tenant)
    values = {"section": "schedules", "form": form, "info": info, "forecast": forecast}
    if request.query_params.get("fragment") == "preview":
        return render_fragment(request, "schedules/preview.html", tenant, **values)
    choices = {"catch_ups": CATCH_UPS, "overlaps": OVERLAPS, "timezones": list_timezones()}
    return render(request, "schedules/form.html", tenant, status_code=status_code, **values, **choices)


@router.get("/schedules/new")
def new_schedule_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show the form of a new schedule, with the values of the query."""
    return _show(request, tenant, _take_texts(ScheduleForm(), request.query_params), None)


@router.get("/schedules/{schedule_id}/edit")
def edit_schedule_page(request: Request, tenant: Tenant, schedule_id: str) -> HTMLResponse:
    """Show the form of a schedule that is there."""
    info = get_schedule(tenant.database, schedule_id, "cron")
    return _show(request, tenant, _take_texts(ScheduleForm.of(info), request.query_params), info)


@router.post("/schedules/new")
def add_schedule(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Add a schedule, and show it."""
    form = _posted_form(posted)
    options = form.options()
    form.forecast(tenant)
    if not form.workflow.strip():
        form.errors["workflow"] = "the name of a workflow is missing"
    if not form.expression.strip():
        form.errors["expression"] = "a cron expression is missing, such as 0 2 * * *"
    if not form.errors:
        try:
            schedule_id = register_cron(
                writable_database(tenant),
                form.workflow,
                form.expression,
                form.timezone,
                name=form.name.strip() or None,
                is_known=bool(form.allow_unknown),
                **options,
            )
        except WorkflowNotFound:
            form.errors["workflow"] = "no runner of this database has known this workflow yet"
        except HoldwaterError as error:
            form.errors[""] = _in_words(error)
        else:
            url = page_url(request, tenant, f"/schedules/{schedule_id}")
            return redirect_with(request, url, Notice(f"{form.workflow} is scheduled."))
    return _show(request, tenant, form, None, 422)


@router.post("/schedules/{schedule_id}/edit")
def change_schedule(request: Request, tenant: Tenant, schedule_id: str, posted: PostedForm) -> Response:
    """Change a schedule, and show it."""
    info = get_schedule(tenant.database, schedule_id, "cron")
    form = _posted_form(posted)
    options = form.options()
    form.forecast(tenant)
    if not form.errors:
        try:
            change_cron(writable_database(tenant), info.id, form.expression, form.timezone, **options)
        except HoldwaterError as error:
            form.errors[""] = _in_words(error)
        else:
            url = page_url(request, tenant, f"/schedules/{info.id}")
            return redirect_with(request, url, Notice("The schedule is changed."))
    return _show(request, tenant, form, info, 422)


def _posted_form(posted: FormData) -> ScheduleForm:
    return _take_texts(ScheduleForm(), posted)
