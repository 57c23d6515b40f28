"""Keys whose signatures of packages a tenant accepts: lists, trust, and its end."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from holdwater.errors import TrustError
from holdwater.operations import trusted_keys
from holdwater.operations.schedule_queries import parse_instant
from holdwater.packages.signatures.signing_keys import parse_public_key, trusted_key
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, FOR_ADMINS, IDEMPOTENT, api_router
from holdwater.server.models.trusted_keys import NewTrustedKey, TrustedKeyBody, TrustedKeyList
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import Tenant

router = api_router("trusted keys", "/trusted-keys")

Fingerprint = Annotated[
    str,
    Path(
        min_length=8,
        max_length=64,
        pattern="^[0-9a-f]+$",
        description="of the key, or its beginning",
        examples=["21fe31dfa154a261"],
    ),
]


@router.get("", openapi_extra=FOR_ADMINS)
def list_trusted_keys(tenant: Tenant) -> TrustedKeyList:
    """List the keys whose signatures are accepted, by name; revoked ones included."""
    items = [TrustedKeyBody.of(key) for key in trusted_keys.list_trusted_keys(tenant.database)]
    return TrustedKeyList(tenant_id=tenant.tenant, items=items, total=len(items))


@router.post("", status_code=201, responses=CHANGE_ERRORS, openapi_extra={**FOR_ADMINS, **IDEMPOTENT})
def trust_key(request: Request, tenant: Tenant, body: NewTrustedKey) -> TrustedKeyBody:
    """Accept the signatures of a key from now on."""
    expires_at = None if body.expires_at is None else parse_instant(body.expires_at)
    try:
        raw = parse_public_key(body.public_key.encode(), "public_key")
    except TrustError as error:
        raise RequestError(400, error.message, hint=error.hint) from error
    key = trusted_key(raw, body.name, added_by=author_of(request), expires_at=expires_at)
    return TrustedKeyBody.of(trusted_keys.trust_key(writable_database(tenant), key))


@router.delete("/{fingerprint}", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def revoke_trusted_key(tenant: Tenant, fingerprint: Fingerprint) -> TrustedKeyBody:
    """Accept no more signatures of a key; releases that are registered go on."""
    try:
        return TrustedKeyBody.of(trusted_keys.revoke_key(writable_database(tenant), fingerprint))
    except TrustError as error:
        raise RequestError(404, error.message, code="key_not_found", hint=error.hint) from error
