"""Tenants of a server, and what was done there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from holdwater.client.interface.tenants import (
    AuditOutcome,
    AuditReader,
    AuditRecord,
    MadeTenant,
    TenantAdmin,
    TenantOfServer,
)
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant, instant_or_none
from holdwater.client.server.run_control import new_key
from holdwater.model.time import Micros, to_rfc3339

TENANTS: Final = "/v1/tenants"
CHANGE_SECONDS: Final = 300.0
"""longest wait for a tenant to be made, upgraded or removed"""


class ServerTenants(TenantAdmin):
    """The tenants of a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_tenants(self) -> Sequence[TenantOfServer]:
        return [_tenant_of(one) for one in self._connection.get(TENANTS)["items"]]

    def create_tenant(
        self, name: str, *, username: str | None = None, password: str | None = None, description: str = ""
    ) -> MadeTenant:
        body = {"name": name, "username": username, "password": password, "description": description}
        given = {key: value for key, value in body.items() if value is not None}
        return _made_tenant_of(self._connection.post(TENANTS, given, key=new_key(), timeout=CHANGE_SECONDS))

    def remove_tenant(self, name: str, *, force: bool = False) -> int:
        options: dict[str, Any] = {"params": {"force": force or None}, "timeout": CHANGE_SECONDS}
        revoked: int = self._connection.send("DELETE", _path(name), **options)["revoked_keys"]
        return revoked

    def upgrade_tenant(self, name: str) -> bool:
        upgraded: bool = self._connection.post(f"{_path(name)}/upgrade", timeout=CHANGE_SECONDS)["upgraded"]
        return upgraded


class ServerAudit(AuditReader):
    """The audit log of a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def iter_records(
        self,
        *,
        of_all_tenants: bool = False,
        verb: str | None = None,
        outcome: AuditOutcome | None = None,
        author: str | None = None,
        since: Micros | None = None,
    ) -> Iterator[AuditRecord]:
        path = "/v1/audit" if of_all_tenants else self._connection.path("audit")
        start = None if since is None else to_rfc3339(since)
        found = self._connection.items(path, verb=verb, outcome=outcome, author=author, since=start)
        return map(_record_of, found)


def _path(name: str) -> str:
    return f"{TENANTS}/{quote(name, safe='')}"


@parsing
def _tenant_of(data: Body) -> TenantOfServer:
    created_at = instant_or_none(data["created_at"])
    return TenantOfServer(data["name"], data["username"], data["description"], created_at, data["created_by"])


@parsing
def _made_tenant_of(data: Body) -> MadeTenant:
    return MadeTenant(data["name"], data["username"], data["password"])


@parsing
def _record_of(data: Body) -> AuditRecord:
    return AuditRecord(
        number=data["number"],
        at=instant(data["at"]),
        by=data["by"],
        tenant=data["tenant_id"],
        verb=data["verb"],
        target=data["target"],
        outcome=data["outcome"],
        code=data["code"],
        request_id=data["request_id"],
        address=data["address"],
    )
