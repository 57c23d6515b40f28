"""The server itself, for its administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request

from holdwater.server.api_routing import FOR_GOD, ApiRoute, error_responses
from holdwater.server.models.server_report import ServerReport
from holdwater.server.server_report import ServerReporter

router = APIRouter(
    prefix="/v1", tags=["server"], route_class=ApiRoute, responses=error_responses(401, 403, 414, 429, 500, 503)
)


@router.get("/server", openapi_extra=FOR_GOD)
def get_server(request: Request) -> ServerReport:
    """Read about this server: its replicas, the tenants that are awake, and their processes."""
    reporter: ServerReporter = request.app.state.reporter
    return reporter.read()
