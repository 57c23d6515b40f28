"""The database of a tenant, open for requests."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Annotated, Final, Self

from fastapi import Depends, Request

from holdwater.engine import Engine
from holdwater.errors import StoreReadOnly, TenantNotFound
from holdwater.operations.changes import DatabaseChanges
from holdwater.operations.databases import Database, open_for_control, open_for_reading
from holdwater.operations.graph_layouts import GraphLayouts
from holdwater.runs.folded_runs import FoldedRuns

OLDER_SCHEMA: Final = (
    "The tables of this database are those of an earlier Holdwater, so this server only reads it. "
    "`holdwater migrate` upgrades them, and runners of the earlier version go on beside it; then start this "
    "server again."
)
DEFAULT_TENANT: Final = "public"
"""the tenant of a database that has no others"""


class TenantDatabase:
    """One tenant's runs: `database` reads them, `engine` controls them and executes nothing.

    `folded_runs`: views of runs that were looked at last, kept.  `graph_layouts`: layouts of pictures, kept.
    """

    def __init__(self, tenant: str, database: Database, engine: Engine | None, resources: ExitStack) -> None:
        """Create it.  `engine`: None for a database that is only read.  `resources`: closed with it."""
        self.tenant, self.database = tenant, database
        self.folded_runs = FoldedRuns(database.store, database.clock)
        self.graph_layouts = GraphLayouts(database)
        self.maintenance = threading.Lock()
        """held while a request checks all runs, or deletes old ones"""
        self._engine, self._resources = engine, resources
        self.read_only_reason = "" if engine is not None else "This server only reads the database."
        """a sentence, if nothing can be changed; empty if it can"""
        self._read_only_hint = "start it without --read-only to control runs"

    @classmethod
    def open(
        cls, url: str, *, read_only: bool = False, schema: str | None = None, tenant: str = DEFAULT_TENANT
    ) -> Self:
        """Open a database by its URL; one whose tables are of an earlier version is only read.

        `schema`: that of a tenant, in PostgreSQL.

        Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
        """
        with ExitStack() as resources:
            with open_for_reading(url, schema) as database:
                is_older = bool(database.store.inspect().pending)
            if read_only or is_older:
                opened = cls(tenant, resources.enter_context(open_for_reading(url, schema)), None, resources.pop_all())
            else:
                engine = resources.enter_context(open_for_control(url, schema))
                opened = cls(tenant, Database.of(engine), engine, resources.pop_all())
            if is_older:
                opened.read_only_reason = OLDER_SCHEMA
                opened._read_only_hint = "`holdwater migrate` upgrades the database; then start this server again"
            return opened

    @classmethod
    def of(cls, engine: Engine, *, read_only: bool = False, tenant: str = DEFAULT_TENANT) -> Self:
        """Use the engine of a runner, which stays the runner's to close."""
        return cls(tenant, Database.of(engine), None if read_only else engine, ExitStack())

    @property
    def is_read_only(self) -> bool:
        return self._engine is None

    @property
    def engine(self) -> Engine:
        """The engine that controls runs.  Raises StoreReadOnly."""
        if self._engine is None:
            raise StoreReadOnly("this server only reads the database", hint=self._read_only_hint)
        return self._engine

    def open_changes(self) -> DatabaseChanges:
        """Listen to changes of the database; called once.  Raises StoreUnavailable."""
        if self._engine is not None:
            return DatabaseChanges.of_engine(self._engine)
        return DatabaseChanges.listen_to(self.database)

    def close(self) -> None:
        """Close what was opened with it.  Idempotent."""
        self._resources.close()


def current_tenant(request: Request, tenant: str) -> TenantDatabase:
    """Return the database of the tenant in the path, for endpoints: 404 if there is none."""
    found: TenantDatabase = request.app.state.tenant_database
    if found.tenant != tenant:
        raise TenantNotFound(f"there is no tenant {tenant!r} here", hint=f"this database is {found.tenant!r}")
    return found


Tenant = Annotated[TenantDatabase, Depends(current_tenant)]
"""parameter of an endpoint below `/{tenant}`"""
