"""Keys, tenants and the audit log on a database, which has none: every method says where they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NoReturn

from holdwater.client.interface.keys import ApiKeyIdentity, ApiKeyInfo, ApiKeys, KeyRole, MadeApiKey
from holdwater.client.interface.tenants import (
    AuditOutcome,
    AuditReader,
    AuditRecord,
    MadeTenant,
    TenantAdmin,
    TenantOfServer,
)
from holdwater.errors import ServerRequired
from holdwater.model.time import Micros


def server_required(what: str, hint: str = "") -> NoReturn:
    """Raise ServerRequired for what this client was asked for on a database."""
    raise ServerRequired(
        f"{what}, and this client is on a database",
        hint=hint or "`holdwater serve` serves a PostgreSQL database: Client('https://HOST', api_key=...) speaks to it",
    )


class DatabaseKeys(ApiKeys):
    """Keys: a database has none."""

    def whoami(self) -> ApiKeyIdentity:
        server_required("API keys are those of a server")

    def list_keys(self) -> list[ApiKeyInfo]:
        server_required("API keys are those of a server")

    def create_key(
        self,
        name: str,
        role: KeyRole = "read",
        *,
        tenant: str | None = None,
        expires_at: datetime | None = None,
    ) -> MadeApiKey:
        server_required("API keys are those of a server")

    def rotate_key(self, key_id: str, *, overlap_seconds: float | None = None) -> MadeApiKey:
        server_required("API keys are those of a server")

    def revoke_key(self, key_id: str) -> None:
        server_required("API keys are those of a server")


_TENANTS_HINT = "on a database holdwater.tenants.DatabaseAdmin and `holdwater tenants --database URL` make tenants"


class DatabaseTenants(TenantAdmin):
    """Tenants: those of a database are made with the rights of its administrator."""

    def list_tenants(self) -> list[TenantOfServer]:
        server_required("these tenants are those of a server", _TENANTS_HINT)

    def create_tenant(
        self, name: str, *, username: str | None = None, password: str | None = None, description: str = ""
    ) -> MadeTenant:
        server_required("these tenants are those of a server", _TENANTS_HINT)

    def remove_tenant(self, name: str, *, force: bool = False) -> int:
        server_required("these tenants are those of a server", _TENANTS_HINT)

    def upgrade_tenant(self, name: str) -> bool:
        server_required("these tenants are those of a server", _TENANTS_HINT)


class DatabaseAudit(AuditReader):
    """The audit log: a database has none."""

    def iter_records(
        self,
        *,
        of_all_tenants: bool = False,
        verb: str | None = None,
        outcome: AuditOutcome | None = None,
        author: str | None = None,
        since: Micros | None = None,
    ) -> Iterator[AuditRecord]:
        server_required(
            "the audit log is that of a server",
            "a run has `started_by`, and its events `by`: those who asked for them",
        )
