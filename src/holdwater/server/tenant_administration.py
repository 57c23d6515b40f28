"""Tenants of a server, made and removed: schema, role, row, keys and audit in one transaction each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from holdwater.errors import TenantError, TenantNotFound
from holdwater.operations.tenants import DatabaseAdmin, TenantConfig, TenantCredentials
from holdwater.server.control.audit import AuditFacts
from holdwater.server.control.tenant_table import TenantRow
from holdwater.server.page_paths import RESERVED_NAMES
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import DEFAULT_TENANT

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.tables import ServerTables
    from holdwater.storage.postgres.pipeline import PostgresConnection

PUBLIC_ROW: Final = TenantRow(DEFAULT_TENANT, "")


@dataclass(frozen=True, slots=True)
class Removal:
    """A tenant was removed.  `revoked_keys`: their number.  `was_awake`: its engine was in this process."""

    revoked_keys: int
    was_awake: bool


class TenantAdministration:
    """Makes, changes and removes the tenants of a server.

    `database_url`: with a role that may create roles and schemas.  `end_engine`: ends the engine of a tenant in
    every process, its hosts and streams, and starts none while the block lasts; its value says whether there was one
    in this process.
    `requires_signatures`: the server requires them of every tenant.

    Every change is one transaction: a process that dies leaves the state before or after it.
    """

    def __init__(
        self,
        tables: ServerTables,
        database_url: str,
        end_engine: Callable[[str], AbstractContextManager[bool]],
        *,
        requires_signatures: bool = False,
    ) -> None:
        self._tables, self._end_engine = tables, end_engine
        self._admin = DatabaseAdmin(database_url)
        self._requires_signatures = requires_signatures

    def list(self) -> list[TenantRow]:
        """List the tenants by name, `public` first.  Raises StoreUnavailable."""
        rows = self._tables.tenants.list()
        public = [row for row in rows if row.name == DEFAULT_TENANT] or [PUBLIC_ROW]
        return [*public, *[row for row in rows if row.name != DEFAULT_TENANT]]

    def get(self, name: str) -> TenantRow:
        """Read a tenant.  Raises TenantNotFound, StoreUnavailable."""
        row = self._tables.tenants.get(name) or (PUBLIC_ROW if name == DEFAULT_TENANT else None)
        if row is None:
            raise TenantNotFound(f"there is no tenant {name!r} here")
        return row

    def find(self, name: str) -> TenantRow | None:
        """Read a tenant; None for `public` and for one that is not served.  Raises StoreUnavailable."""
        return None if name == DEFAULT_TENANT else self._tables.tenants.get(name)

    def create(self, config: TenantConfig, description: str, facts: AuditFacts) -> TenantCredentials:
        """Make a tenant.  Raises TenantError for a name that cannot be used or is taken, StoreUnavailable."""
        if config.schema_name in RESERVED_NAMES:
            raise TenantError(
                f"a tenant cannot be named {config.schema_name!r}: pages of the server have this name",
                hint="take another name",
            )
        now = self._tables.database.clock.now()
        row = TenantRow(config.schema_name, config.username, description, created_at=now, created_by=facts.by)

        def add_rows(connection: PostgresConnection) -> None:
            self._tables.database.join(connection)
            self._tables.tenants.insert(connection, row)
            self._tables.audit.record(connection, facts, "tenant.create", row.name, row.name)

        return self._admin.create_tenant(config, also=add_rows)

    def change(
        self,
        name: str,
        facts: AuditFacts,
        *,
        description: str | None = None,
        signatures: tuple[bool | None] | None = None,
    ) -> TenantRow:
        """Change the settings of a tenant.  None: as it is; `signatures`: the new value of `require_signatures`.

        Raises TenantNotFound, StoreUnavailable.
        """
        row = self.get(name)
        if description is not None:
            row = replace(row, description=description)
        if signatures is not None:
            row = replace(row, require_signatures=signatures[0])
        with self._tables.database.transaction() as connection:
            self._tables.tenants.change(connection, replace(row, created_by=row.created_by or facts.by))
            self._tables.audit.record(connection, facts, "tenant.change", name, name)
        return self.get(name)

    def remove(self, name: str, facts: AuditFacts, *, force: bool = False) -> Removal:
        """Remove a tenant with everything it has, and revoke its keys.  There is no way back.

        Raises TenantNotFound; TenantInUse while work of it is executed or its role is connected, unless `force`;
        TenantError for `public`, and for what is in the way; TenantUnavailable while it is being removed already;
        StoreUnavailable.  Then nothing was removed.
        """
        if name == DEFAULT_TENANT:
            raise RequestError(
                400, "the tenant 'public' is that of the server itself", code="tenant_removal_failed",
                hint="its runs are deleted by retention",
            )  # fmt: skip
        row = self.get(name)
        if not force:
            self._admin.check_idle(name, row.username)
        revoked = 0

        def remove_rows(connection: PostgresConnection) -> None:
            nonlocal revoked
            self._tables.database.join(connection)
            now = self._tables.database.clock.now()
            self._tables.tenants.delete(connection, name)
            revoked = self._tables.keys.revoke_of_tenant(connection, name, now, facts.by)
            self._tables.audit.record(connection, facts, "tenant.remove", name, name)

        with self._end_engine(name) as was_awake:
            self._admin.remove_tenant(name, row.username, force=force, also=remove_rows)
        self._tables.on_access_ended()
        return Removal(revoked, was_awake)

    def upgrade(self, name: str) -> bool:
        """Bring the tables of a tenant to this version's; False if they were.

        Raises TenantNotFound, TenantError, StoreUnavailable.
        """
        return self._admin.upgrade_tenant(name, self.get(name).username)

    def requires_signature(self, name: str) -> bool:
        """Return True if archives of a tenant must be signed.  Raises StoreUnavailable."""
        row = self._tables.tenants.get(name)
        return self._requires_signatures or bool(row is not None and row.require_signatures)


def administration_of(request: Request) -> TenantAdministration:
    """Return the administration of the server's tenants.  Raises RequestError (404) where there is one database."""
    found: TenantAdministration | None = getattr(request.app.state, "administration", None)
    if found is None:
        raise RequestError(404, "this server has no tenants", hint="`holdwater serve` has them, on PostgreSQL")
    return found
