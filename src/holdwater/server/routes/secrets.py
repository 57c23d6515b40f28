"""Secrets: written and removed; what answers is what is known of them, never a text."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from holdwater.operations import secrets
from holdwater.server.access import caller_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, FOR_ADMINS, IDEMPOTENT, api_router
from holdwater.server.models.secrets import NewSecret, SecretBody, SecretDeleted, SecretList, SecretTexts
from holdwater.server.tenant_database import Tenant

router = api_router("secrets", "/secrets")

Name = Annotated[str, Path(max_length=100, examples=["smtp"])]


@router.get("", openapi_extra=FOR_ADMINS)
def list_secrets(tenant: Tenant) -> SecretList:
    """List secrets by name."""
    found = [SecretBody.of(secret) for secret in secrets.list_secrets(tenant.database)]
    return SecretList(tenant_id=tenant.tenant, items=found, total=len(found))


@router.post("", status_code=201, responses=CHANGE_ERRORS, openapi_extra={**FOR_ADMINS, **IDEMPOTENT})
def create_secret(tenant: Tenant, body: NewSecret, request: Request) -> SecretBody:
    """Create a secret: texts by field, encrypted with the server's key."""
    made = secrets.create_secret(writable_database(tenant), body.name, body.to_fields(), by=_author(request))
    return SecretBody.of(made)


@router.get("/{name}", openapi_extra=FOR_ADMINS)
def get_secret(tenant: Tenant, name: Name) -> SecretBody:
    """Read what is known of a secret."""
    return SecretBody.of(secrets.get_secret_info(tenant.database, name))


@router.put("/{name}", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def replace_secret(tenant: Tenant, name: Name, body: SecretTexts, request: Request) -> SecretBody:
    """Replace the texts of a secret; fields that are not given are gone."""
    made = secrets.replace_secret(writable_database(tenant), name, body.to_fields(), by=_author(request))
    return SecretBody.of(made)


@router.delete("/{name}", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def delete_secret(tenant: Tenant, name: Name) -> SecretDeleted:
    """Remove a secret."""
    secrets.remove_secret(writable_database(tenant), name)
    return SecretDeleted(name=name)


def _author(request: Request) -> str:
    return caller_of(request).author or "api"
