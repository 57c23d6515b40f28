"""The way from `/` to the runs of a tenant."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.access import caller_of, check_tenant
from holdwater.server.preferences import last_tenant_of
from holdwater.server.rendering import root_of
from holdwater.server.tenant_database import tenants_of

router = APIRouter()

_TEMPORARY: Final = 307


@router.get("/")
@router.get("/ui")
def home(request: Request) -> Response:
    """Go to the tenant of the caller; one that has many, to the one that was last looked at, else the default."""
    caller, tenants = caller_of(request), tenants_of(request)
    last = last_tenant_of(request)
    name = caller.tenant or (last if last is not None and last in tenants.names() else tenants.default)
    return RedirectResponse(f"{root_of(request)}/ui/{name}/runs", _TEMPORARY)


@router.get("/ui/{tenant}")
def tenant_home(request: Request, tenant: str) -> Response:
    """Go to the runs of a tenant.  Raises RequestError (403) for a caller without a role in it."""
    check_tenant(request, tenant)
    return RedirectResponse(f"{root_of(request)}/ui/{tenant}/runs", _TEMPORARY)
