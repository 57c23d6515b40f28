"""Tenants of a database that a server serves, made and removed by another process than the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.tables import ServerTables
from holdwater.server.tenant_administration import TenantAdministration


@contextmanager
def open_administration(database_url: str) -> Iterator[TenantAdministration]:
    """Open the tenants of the server of a database.

    What is done with them is recorded as the server records it, and its processes hear of it.
    Raises TenantError, SchemaTooNew, StoreUnavailable.
    """
    tables = ServerTables(ControlDatabase(database_url))
    try:
        yield TenantAdministration(tables, database_url, lambda name: nullcontext(False))
    finally:
        tables.close()
        tables.database.close()
