"""Items of a durable map, below its run."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from holdwater.operations.map_items import failed_items, map_progress, require_map
from holdwater.server.api_routing import api_router
from holdwater.server.models.map_items import MapItemPage
from holdwater.server.paging import DEFAULT_LIMIT, Limit
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant

router = api_router("executions", "/executions")


@router.get("/{run_id}/items")
def list_items(
    tenant: Tenant,
    run_id: RunId,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,15}$", description="`next_cursor` of the page before: an index")
    ] = None,
) -> MapItemPage:
    """Count the items of a durable map, and list those that failed, in order."""
    runs = tenant.database.runs
    view = require_map(tenant.folded_runs.view(run_id))
    found = failed_items(runs, run_id, int(cursor or 0), limit + 1)
    return MapItemPage.of(tenant.tenant, run_id, map_progress(runs, view), found, limit)
