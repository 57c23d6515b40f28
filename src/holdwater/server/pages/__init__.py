"""Pages of the web UI, one module per page; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.pages import (
    login,
    ops,
    packages,
    preferences,
    questions,
    run,
    runs,
    schedule_form,
    schedules,
    tenants,
    workflow_start,
    workflows,
)

PAGE_ROUTERS = (
    runs.router,
    run.router,
    questions.router,
    schedule_form.router,
    schedules.router,
    workflow_start.router,
    workflows.router,
    packages.router,
    ops.router,
    preferences.router,
)
"""below `/ui/{tenant}`"""
SERVER_PAGE_ROUTERS = (login.router, tenants.router, preferences.server_router)
"""below `/ui`, of no tenant"""
