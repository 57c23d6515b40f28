"""Tenants of a server: lists, one, and making, changing and removing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from holdwater.errors import TenantError, TenantInUse, TenantNotFound, TenantUnavailable
from holdwater.operations.tenants import TenantConfig
from holdwater.server.api_routing import AUDITED, CHANGE_ERRORS, FOR_ADMINS, FOR_GOD, IDEMPOTENT, api_router
from holdwater.server.auditing import audit_facts
from holdwater.server.models.tenants import (
    CreatedTenant,
    NewTenant,
    RemovedTenant,
    TenantBody,
    TenantChange,
    TenantList,
    UpgradedTenant,
)
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_administration import administration_of

router: APIRouter = api_router("tenants", "/v1/tenants")

TenantName = Annotated[str, Path(description="name of a tenant", examples=["acme"])]
Force = Annotated[bool, Query(description="also while it is in use: what is executed is ended")]


@router.get("", openapi_extra=FOR_GOD)
def list_tenants(request: Request) -> TenantList:
    """List the tenants of the server."""
    items = [TenantBody.of(row) for row in administration_of(request).list()]
    return TenantList(items=items, total=len(items))


@router.post("", status_code=201, responses=CHANGE_ERRORS, openapi_extra={**FOR_GOD, **AUDITED, **IDEMPOTENT})
def create_tenant(request: Request, body: NewTenant) -> CreatedTenant:
    """Make a tenant: a schema with the tables of runs, and a role that sees nothing else."""
    name = body.name or body.schema_name
    if name is None or (body.schema_name or name) != name:
        raise RequestError(400, "a tenant has one name, and its schema the same one", hint='give {"name": "acme"}')
    config = TenantConfig(name, body.username or name, body.password)
    try:
        made = administration_of(request).create(config, body.description, audit_facts(request))
    except TenantError as error:
        raise RequestError(400, error.message, code="tenant_creation_failed", hint=error.hint) from error
    return CreatedTenant(
        name=name,
        schema_name=name,
        username=made.username,
        description=body.description,
        password=None if body.password else made.password,
    )


@router.get("/{tenant}", openapi_extra=FOR_ADMINS)
def get_tenant(request: Request, tenant: TenantName) -> TenantBody:
    """Read a tenant."""
    return TenantBody.of(administration_of(request).get(tenant))


@router.patch("/{tenant}", responses=CHANGE_ERRORS, openapi_extra={**FOR_ADMINS, **AUDITED})
def change_tenant(request: Request, tenant: TenantName, body: TenantChange) -> TenantBody:
    """Change the settings of a tenant."""
    signatures = (body.require_signatures,) if "require_signatures" in body.model_fields_set else None
    changed = administration_of(request).change(
        tenant, audit_facts(request), description=body.description, signatures=signatures
    )
    return TenantBody.of(changed)


@router.delete("/{tenant}", responses=CHANGE_ERRORS, openapi_extra={**FOR_GOD, **AUDITED})
def remove_tenant(request: Request, tenant: TenantName, force: Force = False) -> RemovedTenant:
    """Remove a tenant with its runs, packages and role, and revoke its keys.  There is no way back."""
    try:
        removed = administration_of(request).remove(tenant, audit_facts(request), force=force)
    except (TenantInUse, TenantNotFound, TenantUnavailable):
        raise
    except TenantError as error:
        raise RequestError(400, error.message, code="tenant_removal_failed", hint=error.hint) from error
    return RemovedTenant(
        status="removed",
        schema_name=tenant,
        revoked_keys=removed.revoked_keys,
        runner_evicted=removed.was_awake,
        db_cache_evicted=removed.was_awake,
    )


@router.post("/{tenant}/upgrade", responses=CHANGE_ERRORS, openapi_extra=FOR_GOD)
def upgrade_tenant(request: Request, tenant: TenantName) -> UpgradedTenant:
    """Bring the tables of a tenant to the version of this server."""
    return UpgradedTenant(schema_name=tenant, upgraded=administration_of(request).upgrade(tenant))
