"""The JSON API below `/v1/tenants/{tenant}`, one module per noun; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.routes import executions, graphs, steering, streams

API_ROUTERS = (executions.router, graphs.router, steering.router, streams.router)
