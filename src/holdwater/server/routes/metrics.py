"""Metrics for Prometheus, without access: labels are routes and enumerations."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from holdwater.server.metrics.server_metrics import CONTENT_TYPE, ServerMetrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics, as text."}},
)
async def metrics(request: Request) -> Response:
    """Read the metrics of this process in the text format of Prometheus."""
    found: ServerMetrics = request.app.state.metrics
    return Response(await found.text(), headers={"content-type": CONTENT_TYPE})
