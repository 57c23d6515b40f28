"""Runs, as `executions`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from holdwater.operations.runs import show_run
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant

router = APIRouter(prefix="/executions", tags=["executions"])


@router.get("/{run_id}")
def get_execution(tenant: Tenant, run_id: RunId) -> dict[str, Any]:
    """Read a run."""
    view = show_run(tenant.database.runs, run_id)
    return {"tenant_id": tenant.tenant, "execution_id": view.id, "status": view.status}
