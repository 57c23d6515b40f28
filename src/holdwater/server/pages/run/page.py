"""The page of one run, and the parts of it that are fetched again when something has changed."""

from __future__ import annotations

from typing import Any, Final, Literal, cast, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.errors import TaskNotFound
from holdwater.events.run_events import EVENT_TYPES
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros
from holdwater.operations.runs import count_runs, find_run
from holdwater.server.pages.run.answer import question_form
from holdwater.server.pages.run.children import build_child_table
from holdwater.server.pages.run.context import MOMENTS, build_data_tab
from holdwater.server.pages.run.doctor import diagnose
from holdwater.server.pages.run.events import EventFilter, events_as_json, matching_events, select_events
from holdwater.server.pages.run.graph import build_graph_tab
from holdwater.server.pages.run.header import build_header
from holdwater.server.pages.run.log import read_tail
from holdwater.server.pages.run.map_items import build_item_table, item_progress
from holdwater.server.pages.run.node_panel import build_node_panel
from holdwater.server.pages.run.query import DEFAULT_TAB, TABS, PageLinks, Tab
from holdwater.server.pages.run.selection import NodeFilter, Sort
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.pages.run.tasks import build_task_table
from holdwater.server.pages.run.timeline import build_timeline
from holdwater.server.rendering import render, render_fragment
from holdwater.server.run_paths import RunId, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

EVENT_NAMES: Final = " ".join(EVENT_TYPES)
OPTIONS: Final[dict[Tab, tuple[str, ...]]] = {
    "graph": ("level", "full"),
    "timeline": ("state", "q", "page", "from", "to"),
    "tasks": ("state", "q", "sort", "page", "show", "of", "item"),
    "events": ("group", "task", "q", "after", "before"),
    "context": ("at", "q"),
    "doctor": (),
}
"""parameters of each tab"""


@router.get("/runs/{run_id}")
def run_page(
    request: Request,
    tenant: Tenant,
    run_id: RunId,
    tab: str = DEFAULT_TAB,
    node: str | None = None,
    fragment: Literal["run"] | None = None,
) -> Response:
    """Show a run.  `node`: the selected node, shown beside the tab.  `fragment`: only the part that may change."""
    found = find_run(tenant.database.runs, run_id)
    links = _links(request, tenant, found.id, tab, node)
    if found.id != run_id:
        return RedirectResponse(links.here)
    values = _page_values(tenant, found.id, links, is_fragment=fragment is not None)
    if fragment is not None:
        return render_fragment(request, "run/live.html", tenant, **values)
    return render(request, "run/run.html", tenant, **values)


@router.get("/runs/{run_id}/events.json")
def run_events(request: Request, tenant: Tenant, run_id: RunId) -> Response:
    """Return all events that match the filter of the events tab, as JSON."""
    view = tenant.folded_runs.view(run_id)
    text = events_as_json(matching_events(view.events, _event_filter(dict(request.query_params))))
    name = f"{run_id.replace('/', '_')}-events.json".encode("ascii", "ignore").decode()
    safe = "".join([c if c.isalnum() or c in "-_." else "_" for c in name])
    return Response(
        text, media_type="application/json", headers={"Content-Disposition": f'attachment; filename="{safe}"'}
    )


@router.get("/runs/{run_id}/graph.svg")
def run_graph(request: Request, tenant: Tenant, run_id: RunId, node: str | None = None) -> Response:
    """Return the picture of a run for its page, laid out now if it has to be.  `node`: the selected one."""
    shown = ShownRun.of(tenant.folded_runs.view(run_id), tenant.database.clock.now())
    links = _links(request, tenant, run_id, "graph", node)
    tab = build_graph_tab(shown, links.with_full_layout(), tenant.graph_layouts)
    return Response(tab.picture.svg, media_type="image/svg+xml")


def _links(request: Request, tenant: TenantDatabase, run_id: str, tab: str, node: str | None) -> PageLinks:
    root = request.scope.get("root_path", "").rstrip("/")
    shown = tab if tab in TABS else DEFAULT_TAB
    given = request.query_params
    options = {name: given[name] for name in OPTIONS[shown] if given.get(name)}
    return PageLinks(f"{root}/ui/{tenant.tenant}/runs/{encode_run_id(run_id)}", shown, node or None, options)


def _page_values(tenant: TenantDatabase, run_id: str, links: PageLinks, *, is_fragment: bool) -> dict[str, Any]:
    """Build what the templates of a run see."""
    run = ShownRun.of(tenant.folded_runs.view(run_id), tenant.database.clock.now())
    panel, log, missing = None, None, ""
    if links.node is not None:
        try:
            panel = build_node_panel(run, links.node)
            log = read_tail(tenant.folded_runs, run_id, links.node)
        except TaskNotFound as error:
            missing = f"{error.message}. {error.hint or ''}".strip()
    children = count_runs(tenant.database.runs, RunFilter(parent_id=run_id))
    return {
        "section": "runs",
        "links": links,
        "header": build_header(run, links.node),
        "child_counts": {status: number.count for status, number in children.items()},
        "has_more_children": any(number.is_capped for number in children.values()),
        "items": item_progress(tenant.database.runs, run.view),
        "panel": panel,
        "log": log,
        "missing_node": missing,
        "question_form": None if panel is None or panel.question is None else question_form(panel.question),
        "marks": run.marks,
        "event_names": EVENT_NAMES,
        "tab": _tab_values(tenant, run, links, is_fragment),
    }


def _tab_values(tenant: TenantDatabase, run: ShownRun, links: PageLinks, is_fragment: bool) -> Any:
    options = links.options
    match links.tab:
        case "graph":
            return build_graph_tab(run, links, tenant.graph_layouts, states_only=is_fragment)
        case "timeline":
            window = (_instant(options.get("from")), _instant(options.get("to")))
            return build_timeline(run, _node_filter(options), window)
        case "events":
            return select_events(run.view.events, _event_filter(options))
        case "context":
            moment = options.get("at", "now")
            return build_data_tab(run.view, moment if moment in MOMENTS else "now", options.get("q", ""))
        case "doctor":
            return diagnose(tenant, run.view.id)
        case "tasks" if options.get("show") == "children":
            return build_child_table(
                run.view, options.get("of", ""), options.get("state", ""), _number(options.get("page")) or 1
            )
        case "tasks" if options.get("show") == "items":
            return build_item_table(tenant.database.runs, run.view, _number(options.get("item")) or 0)
        case _:
            return build_task_table(run, _node_filter(options))


def _node_filter(options: dict[str, str]) -> NodeFilter:
    sort = options.get("sort", "order")
    return NodeFilter(
        options.get("state", ""),
        options.get("q", ""),
        cast(Sort, sort) if sort in get_args(Sort) else "order",
        _number(options.get("page")) or 1,
    )


def _event_filter(options: dict[str, str]) -> EventFilter:
    return EventFilter(
        options.get("group", ""),
        options.get("task", ""),
        options.get("q", ""),
        _number(options.get("after")),
        _number(options.get("before")),
    )


def _number(text: str | None) -> int | None:
    """Return a whole number of up to 16 digits; None for any other text."""
    return int(text) if text and len(text) <= 16 and text.isascii() and text.isdigit() else None


def _instant(text: str | None) -> Micros | None:
    number = _number(text)
    return None if number is None else Micros(number)
