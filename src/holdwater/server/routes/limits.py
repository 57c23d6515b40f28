"""Concurrency limits: how many tasks may run at once, and which hold places."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from holdwater.operations import limits
from holdwater.server.access import caller_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, FOR_ADMINS, api_router
from holdwater.server.models.limits import LimitBody, LimitList, LimitRemoved, LimitSetting
from holdwater.server.tenant_database import Tenant

router = api_router("limits", "/limits")

Key = Annotated[str, Path(max_length=1_000, examples=["openai", "workflow:orders", "label:customer=acme"])]


@router.get("")
def list_limits(tenant: Tenant) -> LimitList:
    """List limits with the tasks that count towards them; names that tasks give without a limit, too."""
    found = [LimitBody.of(limit) for limit in limits.list_limits(tenant.database)]
    return LimitList(tenant_id=tenant.tenant, items=found, total=len(found))


@router.get("/{key:path}")
def get_limit(tenant: Tenant, key: Key) -> LimitBody:
    """Read one limit."""
    return LimitBody.of(limits.get_limit(tenant.database, key))


@router.put("/{key:path}", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def set_limit(tenant: Tenant, key: Key, body: LimitSetting, request: Request) -> LimitBody:
    """Set how many tasks may run at once, across all runners; those that run already go on.

    A key is `NAME`, for tasks that name it themselves, `workflow:NAME`, or `label:KEY=VALUE`.
    """
    return LimitBody.of(limits.set_limit(writable_database(tenant), key, body.max, by=_author(request)))


@router.delete("/{key:path}", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def remove_limit(tenant: Tenant, key: Key) -> LimitRemoved:
    """Remove a limit: the tasks that wait for a place begin."""
    limits.remove_limit(writable_database(tenant), key)
    return LimitRemoved(tenant_id=tenant.tenant, key=key)


def _author(request: Request) -> str:
    return caller_of(request).author or "api"
