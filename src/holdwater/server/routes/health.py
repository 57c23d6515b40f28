"""Health of the server, for supervisors and load balancers."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from holdwater.errors import HoldwaterError
from holdwater.server.models.health import Health, Readiness, Unreadiness

READY_SECONDS: Final = 1.0
"""longest wait for the database's answer"""

router = APIRouter(tags=["health"])


@router.get("/health", operation_id="health")
async def health() -> Health:
    """Say that the server is alive."""
    return Health(status="ok")


@router.get("/ready", operation_id="ready", response_model=Readiness, responses={503: {"model": Unreadiness}})
async def ready(request: Request) -> Readiness | JSONResponse:
    """Say whether the database answers."""
    check = request.app.state.tenants.check_ready
    try:
        await asyncio.wait_for(asyncio.to_thread(check), READY_SECONDS)
    except (HoldwaterError, TimeoutError):
        reason = Unreadiness(status="not ready", reason="database unreachable")
        return JSONResponse(reason.model_dump(), 503, {"retry-after": "1"})
    return Readiness(status="ready")
