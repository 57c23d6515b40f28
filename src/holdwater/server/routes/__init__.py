"""The JSON API below `/v1/tenants/{tenant}`, one module per noun; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.routes import (
    doctor,
    executions,
    graphs,
    installation,
    questions,
    steering,
    streams,
    triggers,
    workflows,
)

API_ROUTERS = (
    executions.router,
    graphs.router,
    steering.router,
    streams.router,
    doctor.router,
    questions.router,
    workflows.router,
    triggers.router,
    installation.router,
)
