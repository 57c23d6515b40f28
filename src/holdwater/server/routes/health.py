"""Health of the server, for supervisors and load balancers."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from holdwater.server.health_checks import UNREACHABLE, SharedCheck
from holdwater.server.models.health import Health, Readiness, Sickness, Unreadiness

READY_SECONDS: Final = 1.0
"""longest wait for the database's answer"""
HEALTH_SECONDS: Final = 5.0
"""longest wait for the answers of engines"""

router = APIRouter(tags=["health"])


@router.get("/health", operation_id="health", response_model=Health, responses={503: {"model": Sickness}})
async def health(request: Request) -> Health | JSONResponse:
    """Say whether the process works; 503: it should be started anew."""
    check: SharedCheck = request.app.state.trouble
    try:
        trouble = await check.run(HEALTH_SECONDS)
    except TimeoutError:
        trouble = "engines cannot be asked"
    if trouble:
        return JSONResponse(Sickness(status="unhealthy", reason=trouble).model_dump(), 503)
    return Health(status="ok")


@router.get("/ready", operation_id="ready", response_model=Readiness, responses={503: {"model": Unreadiness}})
async def ready(request: Request) -> Readiness | JSONResponse:
    """Say whether requests can be answered: the database answers, and the server does not end."""
    check: SharedCheck = request.app.state.obstacle
    try:
        obstacle = await check.run(READY_SECONDS)
    except TimeoutError:
        obstacle = UNREACHABLE
    if obstacle:
        return JSONResponse(Unreadiness(status="not ready", reason=obstacle).model_dump(), 503, {"retry-after": "1"})
    return Readiness(status="ready")
