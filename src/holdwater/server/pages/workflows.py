"""Workflows that runners have announced: the list, and one of them with its tasks, inputs, schedules and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.model.json_schema import Schema
from holdwater.model.records import RunFilter
from holdwater.model.schema_validation import describe_schema
from holdwater.model.time import Micros
from holdwater.operations.catalog import WorkflowInfo, get_workflow, list_workflows
from holdwater.operations.databases import Database
from holdwater.operations.doctor.commands import worker_command
from holdwater.operations.graphs import picture_of_workflow
from holdwater.operations.paused_workflows import list_paused, pause_workflow, paused_names, resume_workflow
from holdwater.operations.runs import count_runs, list_runs
from holdwater.operations.schedule_queries import list_schedules
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.runs.info import RunInfo
from holdwater.server.access import author_of
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.graph_pictures import GraphPicture, PictureRequest, draw
from holdwater.server.notices import Notice
from holdwater.server.pages.schedules import show_schedule
from holdwater.server.presentation import elapsed_seconds
from holdwater.server.rendering import render, render_fragment
from holdwater.server.run_paths import WorkflowName, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

PAGE_WORKFLOWS: Final = 100
LISTED_SCHEDULES: Final = 1_000
LAST_RUNS: Final = 10
SHOWN_RUNS: Final = 10
MAX_LIMIT_SECONDS: Final = 10 * 365 * 86_400.0
"""a time limit of ten years or more stands for none"""
STYLES: Final = {"tasks": "tasks", "steps": "steps", "graphs": "graph"}
"""style -> how pages call it"""


@dataclass(frozen=True, slots=True)
class ShownWorkflow:
    """A workflow of the list.

    `last_runs`: the oldest first.  `next_fire`: of its schedules, None without one, or if no run of it is started.
    """

    info: WorkflowInfo
    last_runs: tuple[RunInfo, ...]
    next_fire: Micros | None
    is_paused: bool


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input of a workflow.  `type_text`: what fits it, in words.  `default`: as JSON, None without one."""

    name: str
    type_text: str
    is_required: bool
    description: str
    default: Any = None
    has_default: bool = False


def input_rows(schema: Schema) -> list[InputRow]:
    """List the inputs that a schema names."""
    required = frozenset(schema.get("required", ()))
    return [
        InputRow(
            name,
            describe_schema({**one, "$defs": schema.get("$defs", {})}) if isinstance(one, dict) else "",
            name in required,
            str(one.get("description", "")) if isinstance(one, dict) else "",
            one.get("default") if isinstance(one, dict) else None,
            isinstance(one, dict) and "default" in one,
        )
        for name, one in schema.get("properties", {}).items()
    ]


@router.get("/workflows")
def workflows_page(request: Request, tenant: Tenant, after: str = "", fragment: str = "") -> HTMLResponse:
    """Show the announced workflows by name.  `after`: the last name of the page before."""
    database = tenant.database
    found = list_workflows(database, limit=PAGE_WORKFLOWS + 1, after=after)
    paused = paused_names(database.store)
    schedules = list_schedules(database, enabled_only=True, limit=LISTED_SCHEDULES)
    values: dict[str, Any] = {
        "section": "workflows",
        "workflows": [_show(database, info, schedules, info.name in paused) for info in found[:PAGE_WORKFLOWS]],
        "after": after,
        "more": found[PAGE_WORKFLOWS - 1].name if len(found) > PAGE_WORKFLOWS else None,
        "styles": STYLES,
    }
    if fragment == "rows":
        return render_fragment(request, "workflows/rows.html", tenant, **values)
    return render(request, "workflows/list.html", tenant, **values)


def _show(database: Database, info: WorkflowInfo, schedules: Iterable[ScheduleInfo], is_paused: bool) -> ShownWorkflow:
    fires = [one.next_at for one in schedules if one.workflow == info.name and one.next_at is not None]
    last = list_runs(database.runs, RunFilter(workflow=info.name, top_level=True), LAST_RUNS)
    return ShownWorkflow(info, last[::-1], None if is_paused else min(fires, default=None), is_paused)


@router.get("/workflows/{name}")
def workflow_page(request: Request, tenant: Tenant, name: WorkflowName, fragment: str = "") -> HTMLResponse:
    """Show a workflow with its tasks, inputs, schedules and last runs."""
    database = tenant.database
    info = get_workflow(database, name)
    which = RunFilter(workflow=info.name, top_level=True)
    values: dict[str, Any] = {
        "section": "workflows",
        "workflow": info,
        "runs": list_runs(database.runs, which, SHOWN_RUNS),
        "elapsed": elapsed_seconds,
        "styles": STYLES,
        "max_limit_seconds": MAX_LIMIT_SECONDS,
    }
    if fragment == "runs":
        return render_fragment(request, "workflows/runs.html", tenant, **values)
    schedules = [one for one in list_schedules(database, limit=LISTED_SCHEDULES) if one.workflow == info.name]
    return render(
        request,
        "workflows/show.html",
        tenant,
        **values,
        inputs=input_rows(info.inputs_schema),
        schedules=[show_schedule(database, one) for one in schedules],
        counts=count_runs(database.runs, which),
        graph=draw_for_page(tenant, info, all_at_once="full" in request.query_params),
        pause=next((one for one in list_paused(database) if one.name == info.name), None),
        worker_command=command_line(tenant, *worker_command([node.source_file for node in info.nodes])),
    )


@router.get("/workflows/{name}/graph.svg")
def workflow_graph(tenant: Tenant, name: WorkflowName) -> Response:
    """Return the picture of a workflow for its page, laid out now if it has to be."""
    graph = draw_for_page(tenant, get_workflow(tenant.database, name), all_at_once=True)
    return Response(graph.svg, media_type="image/svg+xml")


@router.post("/workflows/{name}/pause", name="pause_workflow")
def pause(request: Request, tenant: Tenant, name: WorkflowName) -> Response:
    """Start no runs of a workflow until it is resumed."""
    return _act(
        request, tenant, name, pause_workflow, "{name} is paused. Its open runs go on.",
    )  # fmt: skip


@router.post("/workflows/{name}/resume", name="resume_workflow")
def resume(request: Request, tenant: Tenant, name: WorkflowName) -> Response:
    """Start runs of a workflow again."""
    return _act(request, tenant, name, resume_workflow, "Runs of {name} are started again.")


def _act(request: Request, tenant: TenantDatabase, name: str, act: Callable[..., None], text: str) -> Response:
    """Change a workflow, and go back to its page.  `text`: of the notice, with `{name}`."""

    def change() -> Notice:
        act(writable_database(tenant), name, by=author_of(request))
        return Notice(text.replace("{name}", name), "ok")

    url = page_url(request, tenant, f"/workflows/{encode_run_id(name)}")
    return act_and_redirect(request, url, change, failed_url=page_url(request, tenant, "/workflows"))


def draw_for_page(tenant: TenantDatabase, info: WorkflowInfo, *, all_at_once: bool) -> GraphPicture:
    """Draw a workflow.  `all_at_once`: also a large one that has to be laid out first."""
    return draw(tenant.graph_layouts, PictureRequest(picture_of_workflow(info), wait=all_at_once))
