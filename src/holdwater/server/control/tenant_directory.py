"""The tenants of a server, by the rows of `served_tenants`."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.errors import TenantNotFound, TenantUnavailable
from holdwater.server.control import statements as sql
from holdwater.server.control.database import ControlDatabase
from holdwater.server.tenant_database import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class TenantPlace:
    """A tenant's place in the database.  `schema`, `role`: None for those of the server itself."""

    name: str
    schema: str | None
    role: str | None


PUBLIC_PLACE = TenantPlace(DEFAULT_TENANT, None, None)


class TenantDirectory:
    """Looks tenants up; `public` is always there."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def find(self, name: str) -> TenantPlace:
        """Return the place of a tenant.

        Raises TenantNotFound for one that is not served (any more), TenantUnavailable for one that is being removed.
        """
        if name == DEFAULT_TENANT:
            return PUBLIC_PLACE
        for role, is_being_removed in self._control.select(sql.GET_ACTIVE_TENANT, (self._control.clock.now(), name)):
            if is_being_removed:
                raise TenantUnavailable(f"tenant {name!r} is being removed")
            return TenantPlace(name, name, role)
        raise TenantNotFound(f"there is no tenant {name!r} here")

    def list(self) -> list[TenantPlace]:
        """Return the places of all tenants but those that are being removed, `public` first."""
        rows = self._control.select(sql.LIST_ACTIVE_TENANTS, (self._control.clock.now(),))
        return [PUBLIC_PLACE, *[TenantPlace(name, name, role) for name, role in rows]]
