"""Keys, made, rotated and revoked: what a caller may do with which key, in one transaction with its row of the audit.

An administrator of a tenant sees the keys of the tenant; an administrator of the server sees all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from holdwater.errors import TenantNotFound
from holdwater.model.time import Micros, add_seconds, seconds_between
from holdwater.server.access import Role, caller_of, check_tenant
from holdwater.server.auditing import audit_facts
from holdwater.server.control.key_text import digest_of, new_key, new_key_id
from holdwater.server.control.keys import ApiKey
from holdwater.server.control.tables import ServerTables, control_of
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import tenants_of

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.storage.postgres.pipeline import PostgresConnection

MAX_NAME_CHARS: Final = 100
MAX_OVERLAP_SECONDS: Final = 7 * 86_400.0
MAX_LIFETIME_SECONDS: Final = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was made.  `secret`: its text, which is known at this moment alone."""

    key: ApiKey
    secret: str = field(repr=False)


def list_keys(request: Request, tenant: str | None) -> list[ApiKey]:
    """List the keys of a tenant, None: all, the oldest first, revoked ones included.

    Raises RequestError (403, 404), StoreUnavailable.
    """
    _check_place(request, tenant)
    return control_of(request).keys.list(tenant)


def get_key(request: Request, tenant: str | None, key_id: str) -> ApiKey:
    """Read a key.  Raises RequestError: 403; 404 for one that is not the tenant's, whether there is one or not."""
    _check_place(request, tenant)
    return _find(control_of(request), tenant, key_id)


def create_key(
    request: Request,
    tenant: str | None,
    name: str,
    role: Role,
    *,
    is_god: bool = False,
    expires_at: Micros | None = None,
) -> CreatedKey:
    """Make a key of a tenant; `is_god`: of the server, with the role in every tenant.  `tenant` None: `public`.

    Raises RequestError (400, 403, 404), TenantNotFound, StoreUnavailable.
    """
    _check_place(request, tenant)
    caller, tables = caller_of(request), control_of(request)
    if not caller.may(role) or (is_god and not caller.is_god):
        raise RequestError(403, "a key can have no more access than the one that makes it", code="admin_required")
    if tenant is not None and is_god:
        raise RequestError(400, "a key of the server is in no tenant")
    if tenant is not None and tenant not in tenants_of(request).names():
        raise TenantNotFound(f"there is no tenant {tenant!r} here")
    name, now = _checked_name(name), tables.database.clock.now()
    _check_end(expires_at, now)
    role = "admin" if is_god else role
    key = ApiKey(new_key_id(), name, role, tenant, is_god, now, audit_facts(request).by, expires_at)
    with tables.database.transaction() as connection:
        return _insert(request, connection, key, "key.create")


def rotate_key(request: Request, tenant: str | None, key_id: str, *, overlap_seconds: float = 0.0) -> CreatedKey:
    """Make a key of the same name, access and lifetime; the old one is accepted for `overlap_seconds` more.

    Raises RequestError (400, 403, 404, 409), StoreUnavailable.
    """
    _check_place(request, tenant)
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        raise RequestError(400, "the old key is accepted for 7 days more at most", hint="0 ends it at once")
    tables = control_of(request)
    now = tables.database.clock.now()
    with tables.database.transaction() as connection:
        tables.keys.lock(connection)
        old = _find(tables, tenant, key_id)
        _check_live(old, now)
        lifetime = None if old.expires_at is None else seconds_between(old.created_at, old.expires_at)
        key = ApiKey(
            new_key_id(), old.name, old.role, old.tenant, old.is_god, now, audit_facts(request).by,
            None if lifetime is None else add_seconds(now, lifetime), replaces=old.id,
        )  # fmt: skip
        if overlap_seconds:
            tables.keys.expire(connection, old.id, add_seconds(now, overlap_seconds))
        else:
            tables.keys.revoke(connection, old.id, now, audit_facts(request).by)
        created = _insert(request, connection, key, "key.rotate")
    tables.on_access_ended()
    return created


def revoke_key(request: Request, tenant: str | None, key_id: str, *, is_own: bool = False) -> ApiKey:
    """Accept a key no more, in any process; its sessions and streams end.  Idempotent.

    `is_own`: it is the key of the request, which every caller may give up.
    Raises RequestError: 403, 404, 409 for the last key of an administrator of the server; StoreUnavailable.
    """
    if not is_own:
        _check_place(request, tenant)
    tables, facts = control_of(request), audit_facts(request)
    now = tables.database.clock.now()
    with tables.database.transaction() as connection:
        tables.keys.lock(connection)
        key = _find(tables, tenant, key_id)
        if key.is_god and not tables.keys.has_other_god(connection, key.id, now):
            raise RequestError(
                409, "this is the last key of an administrator of the server: without it there is no way back in",
                code="last_admin_key", hint="make another one first",
            )  # fmt: skip
        tables.keys.revoke(connection, key.id, now, facts.by)
        tables.audit.record(connection, facts, "key.revoke", key.home_tenant, key.id)
    tables.on_access_ended()
    return _find(tables, tenant, key_id)


def _insert(request: Request, connection: PostgresConnection, key: ApiKey, verb: str) -> CreatedKey:
    tables, secret = control_of(request), new_key(key.id)
    tables.keys.insert(connection, key, digest_of(secret))
    tables.audit.record(connection, audit_facts(request), verb, key.home_tenant, key.id)
    return CreatedKey(key, secret)


def _check_place(request: Request, tenant: str | None) -> None:
    """Check that the caller administers a tenant; None: the server.  Raises RequestError (403)."""
    caller = caller_of(request)
    if tenant is None:
        if not caller.is_god:
            raise RequestError(403, "this needs a key of an administrator of the server", code="admin_required")
    else:
        check_tenant(request, tenant)
    if not caller.may("admin"):
        raise RequestError(403, "this needs a key with the role admin", code="admin_required")


def _find(tables: ServerTables, tenant: str | None, key_id: str) -> ApiKey:
    key = tables.keys.get(key_id)
    if key is None or (tenant is not None and key.home_tenant != tenant):
        raise RequestError(404, f"there is no key {key_id[:80]!r} here", code="key_not_found")
    return key


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise RequestError(400, f"the name of a key has 1 to {MAX_NAME_CHARS} printable characters")
    return name


def _check_end(expires_at: Micros | None, now: Micros) -> None:
    if expires_at is not None and not 0 < seconds_between(now, expires_at) <= MAX_LIFETIME_SECONDS:
        raise RequestError(400, "a key ends in the future, within 10 years")


def _check_live(key: ApiKey, now: Micros) -> None:
    if not key.is_live(now):
        raise RequestError(
            409, f"the key {key.id} is accepted no more: it cannot be rotated", code="key_ended", hint="make a new one"
        )
