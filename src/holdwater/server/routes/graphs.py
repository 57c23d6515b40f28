"""Graphs of runs as data, and pictures of runs and workflows as SVG that stands alone."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from holdwater.drawing.colours import Theme
from holdwater.operations.graphs import RunGraph, announced_nodes, draw_workflow, graph_of_run
from holdwater.operations.packaged_workflows import find_packaged_workflow
from holdwater.server.api_routing import api_router
from holdwater.server.models.graphs import ExecutionGraph
from holdwater.server.run_paths import RunId, WorkflowName
from holdwater.server.tenant_database import Tenant, TenantDatabase

SVG_TYPE: Final = "image/svg+xml"
SVG_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""the style sheet of a picture is inside it; nothing else is loaded or run"""
PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {SVG_TYPE: {"schema": {"type": "string"}}}, "description": "A picture that stands alone."}
}

router = api_router("graphs")

PictureVersion = Annotated[str | None, Query(max_length=64, description="version of the package of the workflow")]
PictureTheme = Annotated[Theme, Query(description="`auto`: as the reader's system")]


class SVGResponse(Response):
    """A picture."""

    def __init__(self, svg: str) -> None:
        """Create it.  A lone surrogate cannot be in it: pictures show it as an escape."""
        super().__init__(svg, media_type=SVG_TYPE, headers={"content-security-policy": SVG_POLICY})


@router.get("/executions/{run_id}/graph")
def get_execution_graph(tenant: Tenant, run_id: RunId) -> ExecutionGraph:
    """Read the graph of a run with the states of its tasks."""
    return ExecutionGraph.of(tenant.tenant, run_id, _graph(tenant, run_id))


@router.get("/executions/{run_id}/picture.svg", response_class=SVGResponse, status_code=200, responses=PICTURE)
def get_execution_picture(tenant: Tenant, run_id: RunId, theme: PictureTheme = "auto") -> SVGResponse:
    """Draw a run with the states of its tasks; one of more than 3,000 tasks by levels."""
    return SVGResponse(_graph(tenant, run_id).to_svg(theme, tenant.graph_layouts))


@router.get("/workflows/{name}/picture.svg", response_class=SVGResponse, status_code=200, responses=PICTURE)
def get_workflow_picture(
    tenant: Tenant, name: WorkflowName, version: PictureVersion = None, theme: PictureTheme = "auto"
) -> SVGResponse:
    """Draw a workflow; one of more than 3,000 tasks by levels."""
    found = find_packaged_workflow(tenant.database, name, version)
    return SVGResponse(draw_workflow(found.info, theme, tenant.graph_layouts))


def _graph(tenant: TenantDatabase, run_id: str) -> RunGraph:
    view = tenant.folded_runs.view(run_id)
    return graph_of_run(view, tenant.database.clock.now(), announced_nodes(tenant.database, view))
