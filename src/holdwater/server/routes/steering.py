"""Steering runs: cancel, pause, resume, retry, fork, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request

from holdwater.operations import control
from holdwater.server.access import author_of
from holdwater.server.api_routing import CHANGE_ERRORS, TAKES_VALUES, api_router
from holdwater.server.models.executions import (
    AnswerBody,
    ExecutionDetail,
    ForkBody,
    RetryBody,
    SteeringBody,
)
from holdwater.server.request_values import read_value, read_values
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant, TenantDatabase

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=1024, description="the same request again finds the run it has started"),
]

router = api_router("executions", "/executions")


@router.post("/{run_id}/cancel", status_code=202, responses=CHANGE_ERRORS)
def cancel_execution(
    request: Request, tenant: Tenant, run_id: RunId, body: SteeringBody | None = None
) -> ExecutionDetail:
    """End a run: nothing more of it starts, and running functions are told."""
    control.cancel_run(tenant.engine, run_id, _reason(body), by=author_of(request))
    return _detail(tenant, run_id)


@router.post("/{run_id}/pause", status_code=202, responses=CHANGE_ERRORS)
def pause_execution(
    request: Request, tenant: Tenant, run_id: RunId, body: SteeringBody | None = None
) -> ExecutionDetail:
    """Start nothing more of a run for now; running functions end as usual."""
    control.pause_run(tenant.engine, run_id, _reason(body), by=author_of(request))
    return _detail(tenant, run_id)


@router.post("/{run_id}/resume", status_code=202, responses=CHANGE_ERRORS)
def resume_execution(
    request: Request, tenant: Tenant, run_id: RunId, body: SteeringBody | None = None
) -> ExecutionDetail:
    """Let a paused run go on."""
    control.resume_run(tenant.engine, run_id, _reason(body), by=author_of(request))
    return _detail(tenant, run_id)


@router.post("/{run_id}/retry", status_code=202, responses=CHANGE_ERRORS)
def retry_execution(request: Request, tenant: Tenant, run_id: RunId, body: RetryBody | None = None) -> ExecutionDetail:
    """Try again what failed or was cancelled in a run that has ended; what succeeded is kept.

    A run of a package stays on its release; `"release": "active"` moves it to the active one of the same structure.
    """
    release = None if body is None else body.release
    control.retry_run(tenant.engine, run_id, _reason(body), by=author_of(request), release=release)
    return _detail(tenant, run_id)


@router.post("/{run_id}/fork", status_code=202, responses=CHANGE_ERRORS, openapi_extra=TAKES_VALUES)
def fork_execution(
    request: Request, tenant: Tenant, run_id: RunId, body: ForkBody, idempotency_key: IdempotencyKey = None
) -> ExecutionDetail:
    """Start a run that takes over what succeeded in another one, and runs a task and all that comes after it."""
    forked = control.fork_run(
        tenant.engine,
        run_id,
        body.from_task,
        read_values(body.context),
        body.remove,
        idempotency_key=idempotency_key,
        by=author_of(request),
    )
    return _detail(tenant, forked.run.id)


@router.post("/{run_id}/answers", status_code=202, responses=CHANGE_ERRORS, openapi_extra=TAKES_VALUES)
def answer_execution(request: Request, tenant: Tenant, run_id: RunId, body: AnswerBody) -> ExecutionDetail:
    """Answer an open question of a run."""
    pause = control.find_pause(tenant.engine, run_id, body.pause_id)
    control.answer_pause(tenant.engine, run_id, pause, read_value(body.value), by=author_of(request))
    return _detail(tenant, run_id)


def _reason(body: SteeringBody | None) -> str:
    return "" if body is None else body.reason


def _detail(tenant: TenantDatabase, run_id: str) -> ExecutionDetail:
    return ExecutionDetail.of_view(tenant.tenant, tenant.folded_runs.view(run_id))
