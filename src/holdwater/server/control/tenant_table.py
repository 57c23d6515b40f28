"""The tenants of a server, as rows: their roles in the database, and their settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from holdwater.model.time import Micros
from holdwater.server.control import statements as sql

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase
    from holdwater.storage.postgres.pipeline import PostgresConnection

MAX_TENANTS: Final = 10_000
"""of one list"""
TenantChange = Literal["created", "changed", "removing", "ended", "removed"]
"""`removing`: its engines are to end; `ended`: that of a replica has, or there was none"""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant.  `username`: its role, "" for `public`.  `require_signatures`: its archives must be signed.

    `require_signatures` None: if the server requires it.  `created_at`: None for `public` without a row.
    """

    name: str
    username: str
    description: str = ""
    require_signatures: bool | None = None
    created_at: Micros | None = None
    created_by: str = ""

    @classmethod
    def of_row(cls, row: Iterable[Any]) -> Self:
        """Create it from a row."""
        return cls(*row)


class TenantTable:
    """The table of tenants.  Methods with a connection are parts of a transaction of the caller's."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def list(self, *, limit: int = MAX_TENANTS, after: str = "") -> list[TenantRow]:
        """List tenants by name, those behind `after`.  Raises StoreUnavailable."""
        return [TenantRow.of_row(row) for row in self._control.select(sql.LIST_TENANTS, (after, limit))]

    def get(self, name: str) -> TenantRow | None:
        """Read a tenant.  Raises StoreUnavailable."""
        return next((TenantRow.of_row(row) for row in self._control.select(sql.GET_TENANT, (name,))), None)

    def insert(self, connection: PostgresConnection, row: TenantRow) -> None:
        """Add a tenant."""
        values = (row.name, row.username, row.description, row.created_at, row.created_by)
        connection.execute(sql.INSERT_TENANT, values)
        announce_tenant(connection, "created", row.name)

    def change(self, connection: PostgresConnection, row: TenantRow) -> None:
        """Set description and settings of a tenant, and add the row of `public`, which is there without one."""
        values = (row.name, row.description, row.require_signatures, self._control.clock.now(), row.created_by)
        connection.execute(sql.CHANGE_TENANT, values)
        announce_tenant(connection, "changed", row.name)

    def delete(self, connection: PostgresConnection, name: str) -> None:
        """Remove a tenant."""
        connection.execute(sql.DELETE_TENANT, (name,))
        announce_tenant(connection, "removed", name)


def announce_tenant(connection: PostgresConnection, change: TenantChange, name: str, by: str = "") -> None:
    """Tell every process of a server, when the transaction ends, what has become of a tenant: `CHANGE NAME BY`.

    `by`: of `ended`: the id of the replica.  Roles of tenants can say so, too: what hears it looks at the table.
    """
    connection.execute(sql.ANNOUNCE_TENANT, (f"{change} {name} {by}".rstrip(),))
