"""Pages of the web UI, one module per page; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.pages import (
    ops,
    packages,
    preferences,
    questions,
    run,
    runs,
    schedule_form,
    schedules,
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
