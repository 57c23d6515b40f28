"""Tenants of a server, and what was done there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant_or_none
from holdwater.model.time import Micros

TENANTS: Final = "/v1/tenants"
CHANGE_SECONDS: Final = 300.0
"""longest wait for a tenant to be made, upgraded or removed"""


@dataclass(frozen=True, slots=True)
class TenantOfServer:
    """A tenant.  `username`: its role in the database; `created_at`: None for `public`."""

    name: str
    username: str
    description: str
    created_at: Micros | None
    created_by: str


@dataclass(frozen=True, slots=True)
class MadeTenant:
    """A tenant that was made.  `password`: of its role, where the server has generated it; it is shown once."""

    name: str
    username: str
    password: str | None = field(default=None, repr=False)


class ServerTenants:
    """The tenants of a server.  The methods raise TenantNotFound, TenantInUse, RequestRefused, AccessDenied."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_tenants(self) -> Sequence[TenantOfServer]:
        """List the tenants by name, `public` first."""
        return [_tenant_of(one) for one in self._connection.get(TENANTS)["items"]]

    def create_tenant(
        self, name: str, *, username: str | None = None, password: str | None = None, description: str = ""
    ) -> MadeTenant:
        """Make a tenant: a schema of this name, and a role; without a password one is generated."""
        body = {"name": name, "username": username, "password": password, "description": description}
        given = {key: value for key, value in body.items() if value is not None}
        return _made_tenant_of(self._connection.post(TENANTS, given, timeout=CHANGE_SECONDS))

    def remove_tenant(self, name: str, *, force: bool = False) -> int:
        """Remove a tenant with its runs, its packages and its keys; returns how many keys were revoked."""
        options: dict[str, Any] = {"params": {"force": force or None}, "timeout": CHANGE_SECONDS}
        revoked: int = self._connection.send("DELETE", _path(name), **options)["revoked_keys"]
        return revoked

    def upgrade_tenant(self, name: str) -> bool:
        """Bring the tables of a tenant to the version of the server; returns False if they were."""
        upgraded: bool = self._connection.post(f"{_path(name)}/upgrade", timeout=CHANGE_SECONDS)["upgraded"]
        return upgraded


class ServerAudit:
    """The audit log of a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def rows(self, *, of_all_tenants: bool = False) -> Iterator[dict[str, Any]]:
        """Read the rows of the tenant, or of all, newest first, as the server writes them."""
        path = "/v1/audit" if of_all_tenants else self._connection.path("audit")
        return self._connection.items(path)


def _path(name: str) -> str:
    return f"{TENANTS}/{quote(name, safe='')}"


@parsing
def _tenant_of(data: Body) -> TenantOfServer:
    created_at = instant_or_none(data["created_at"])
    return TenantOfServer(data["name"], data["username"], data["description"], created_at, data["created_by"])


@parsing
def _made_tenant_of(data: Body) -> MadeTenant:
    return MadeTenant(data["name"], data["username"], data["password"])
