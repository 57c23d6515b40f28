"""Health of long-lived graphs, of which this engine has none: its graphs are runs, which are executed and end."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from holdwater.server.api_routing import FOR_ANY, ApiRoute, error_responses
from holdwater.server.models.graph_health import AccumulatorList, GraphHealthList, ReactorList

ERRORS: Final[dict[int | str, dict[str, Any]]] = error_responses(401, 429, 500, 503)

router = APIRouter(prefix="/v1/health", tags=["graph health"], route_class=ApiRoute, responses=ERRORS)


@router.get("/graphs", openapi_extra=FOR_ANY)
async def list_graphs() -> GraphHealthList:
    """List the graphs that wait for events: there are none."""
    return GraphHealthList()


@router.get("/accumulators", openapi_extra=FOR_ANY)
async def list_accumulators() -> AccumulatorList:
    """List the accumulators of graphs: there are none."""
    return AccumulatorList()


@router.get("/reactors", openapi_extra=FOR_ANY)
async def list_reactors() -> ReactorList:
    """List the reactors of graphs: there are none."""
    return ReactorList()
