"""Pages of the web UI, one module per page; each presents what `holdwater.operations` returns."""

from __future__ import annotations

from holdwater.server.pages import (
    admin,
    audit,
    keys,
    login,
    ops,
    package_source,
    package_upload,
    packages,
    preferences,
    questions,
    run,
    runs,
    schedule_form,
    schedules,
    tenants,
    trusted_keys,
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
    package_source.router,
    packages.router,
    trusted_keys.router,
    ops.router,
    preferences.router,
)
"""below `/ui/{tenant}`"""
ADMINISTRATION_ROUTERS = (audit.router, keys.router, package_upload.router)
"""below `/ui/{tenant}`; their forms are checked, and noted in the audit log, by themselves"""
SERVER_PAGE_ROUTERS = (admin.router, login.router, tenants.router, preferences.server_router)
"""below `/ui`, of no tenant"""
