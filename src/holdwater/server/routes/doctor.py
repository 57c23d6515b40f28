"""The doctor: reasons why a run does not move, and the state of the database."""

from __future__ import annotations

from holdwater.operations.doctor import diagnose_installation, diagnose_run
from holdwater.server.api_routing import api_router
from holdwater.server.models.diagnosis import Diagnosis
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant

router = api_router("doctor")


@router.get("/executions/{run_id}/doctor")
def diagnose_execution(tenant: Tenant, run_id: RunId) -> Diagnosis:
    """Find the reasons why a run does not move, worst first."""
    tenant.database.runs.row(run_id)
    return Diagnosis.of(tenant.tenant, diagnose_run(tenant.database, run_id))


@router.get("/doctor")
def diagnose_database(tenant: Tenant) -> Diagnosis:
    """Look at the database, its runners, its queue and its schedules, worst first."""
    return Diagnosis.of(tenant.tenant, diagnose_installation(tenant.database))
