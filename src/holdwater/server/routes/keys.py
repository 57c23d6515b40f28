"""API keys: those of a tenant, and those of the server; the key of the request itself."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Request

from holdwater.operations.schedule_queries import parse_instant
from holdwater.server.access import caller_of
from holdwater.server.api_routing import AUDITED, CHANGE_ERRORS, FOR_ADMINS, FOR_ANY, IDEMPOTENT, api_router
from holdwater.server.control.keys import PUBLIC, ApiKey
from holdwater.server.control.tables import control_of
from holdwater.server.control.tickets import TICKET_SECONDS
from holdwater.server.key_administration import create_key, list_keys, revoke_key, rotate_key
from holdwater.server.models.base import to_instant
from holdwater.server.models.keys import (
    CallerBody,
    CreatedKeyBody,
    KeyBody,
    KeyList,
    LoggedOut,
    NewKey,
    NewTenantKey,
    RevokedKey,
    Rotation,
    Ticket,
)
from holdwater.server.refusals import RequestError

CREATES: Final = {**FOR_ADMINS, **AUDITED, **IDEMPOTENT}
CHANGES: Final = {**FOR_ADMINS, **AUDITED}
KeyId = Annotated[str, Path(max_length=64, description="`id` of a key", examples=["3k9fxq2m7wzt"])]
TenantName = Annotated[str, Path(description="name of a tenant", examples=["acme"])]

router = api_router("keys", "/v1/auth")
tenant_router = api_router("keys", "/keys")


@router.get("/whoami", openapi_extra=FOR_ANY)
def whoami(request: Request) -> CallerBody:
    """Read about the key of this request."""
    key = _own_key(request)
    return CallerBody(
        key_id=key.id, name=key.name, tenant_id=key.home_tenant, role=key.role, is_admin=key.is_god,
        expires_at=to_instant(key.expires_at),
    )  # fmt: skip


@router.post("/keys", name="create_key", status_code=201, responses=CHANGE_ERRORS, openapi_extra=CREATES)
def create_server_key(request: Request, body: NewKey) -> CreatedKeyBody:
    """Make a key of the caller's tenant; of an administrator of the server: one of `public`, or of the server."""
    expires_at = None if body.expires_at is None else parse_instant(body.expires_at)
    made = create_key(
        request, _administered(request), body.name, body.role, is_god=body.is_admin, expires_at=expires_at
    )
    return CreatedKeyBody.of_created(made)


@router.get("/keys", name="list_keys", openapi_extra=FOR_ADMINS)
def list_server_keys(request: Request) -> KeyList:
    """List the keys that the caller administers: those of its tenant, or all."""
    items = [KeyBody.of(key) for key in list_keys(request, _administered(request))]
    return KeyList(items=items, total=len(items))


@router.delete("/keys/{key_id}", name="revoke_key", responses=CHANGE_ERRORS, openapi_extra=CHANGES)
def revoke_server_key(request: Request, key_id: KeyId) -> RevokedKey:
    """Accept a key no more, at once and everywhere; its sessions and streams end."""
    return RevokedKey(status="revoked", id=revoke_key(request, _administered(request), key_id).id)


@router.post(
    "/keys/{key_id}/rotate", name="rotate_key", status_code=201, responses=CHANGE_ERRORS, openapi_extra=CREATES
)
def rotate_server_key(request: Request, key_id: KeyId, body: Rotation | None = None) -> CreatedKeyBody:
    """Make a key in place of another one, with the same access and lifetime."""
    overlap_seconds = 0.0 if body is None else body.overlap_seconds
    made = rotate_key(request, _administered(request), key_id, overlap_seconds=overlap_seconds)
    return CreatedKeyBody.of_created(made)


@router.post("/ws-ticket", name="create_ws_ticket", responses=CHANGE_ERRORS, openapi_extra={**FOR_ANY, **AUDITED})
def create_ticket(request: Request) -> Ticket:
    """Make a ticket, with which one WebSocket is opened within a minute, on any replica."""
    ticket = control_of(request).tickets.create(_own_key(request).id)
    return Ticket(ticket=ticket, expires_in_seconds=TICKET_SECONDS)


@router.post("/logout", responses=CHANGE_ERRORS, openapi_extra={**FOR_ANY, **AUDITED})
def logout(request: Request) -> LoggedOut:
    """Revoke the key of this request."""
    revoke_key(request, None, _own_key(request).id, is_own=True)
    return LoggedOut(status="revoked")


@tenant_router.get("", name="list_tenant_keys", openapi_extra=FOR_ADMINS)
def list_keys_of_tenant(request: Request, tenant: TenantName) -> KeyList:
    """List the keys of a tenant."""
    items = [KeyBody.of(key) for key in list_keys(request, tenant)]
    return KeyList(items=items, total=len(items))


@tenant_router.post("", name="create_tenant_key", status_code=201, responses=CHANGE_ERRORS, openapi_extra=CREATES)
def create_key_of_tenant(request: Request, tenant: TenantName, body: NewTenantKey) -> CreatedKeyBody:
    """Make a key of a tenant, with no more access than the caller has."""
    expires_at = None if body.expires_at is None else parse_instant(body.expires_at)
    return CreatedKeyBody.of_created(create_key(request, tenant, body.name, body.role, expires_at=expires_at))


@tenant_router.delete("/{key_id}", name="revoke_tenant_key", responses=CHANGE_ERRORS, openapi_extra=CHANGES)
def revoke_key_of_tenant(request: Request, tenant: TenantName, key_id: KeyId) -> RevokedKey:
    """Accept a key of a tenant no more, at once and everywhere; its sessions and streams end."""
    return RevokedKey(status="revoked", id=revoke_key(request, tenant, key_id).id)


@tenant_router.post(
    "/{key_id}/rotate", name="rotate_tenant_key", status_code=201, responses=CHANGE_ERRORS, openapi_extra=CREATES
)
def rotate_key_of_tenant(
    request: Request, tenant: TenantName, key_id: KeyId, body: Rotation | None = None
) -> CreatedKeyBody:
    """Make a key in place of another one, with the same access and lifetime."""
    overlap_seconds = 0.0 if body is None else body.overlap_seconds
    return CreatedKeyBody.of_created(rotate_key(request, tenant, key_id, overlap_seconds=overlap_seconds))


def _administered(request: Request) -> str | None:
    """Return the tenant whose keys the caller administers, None for all."""
    caller = caller_of(request)
    return None if caller.is_god else caller.tenant or PUBLIC


def _own_key(request: Request) -> ApiKey:
    """Return the key of the request.  Raises RequestError (401) if it is gone."""
    found = control_of(request).keys.get(caller_of(request).key_id)
    if found is None:
        raise RequestError(401, "this key was not accepted")
    return found
