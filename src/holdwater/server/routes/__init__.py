"""The JSON API below `/v1/tenants/{tenant}`, one module per noun; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.routes import (
    bulk,
    doctor,
    executions,
    graphs,
    installation,
    limits,
    map_items,
    questions,
    releases,
    retention,
    secrets,
    steering,
    streams,
    triggers,
    trusted_keys,
    uploads,
    workflows,
)

API_ROUTERS = (
    bulk.router,
    executions.router,
    map_items.router,
    graphs.router,
    steering.router,
    streams.router,
    doctor.router,
    questions.router,
    workflows.router,
    uploads.router,
    trusted_keys.router,
    triggers.router,
    releases.router,
    retention.router,
    limits.router,
    secrets.router,
    installation.router,
)
