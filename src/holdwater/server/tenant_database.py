"""The database of a tenant, open for requests, and the tenants that an application serves."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Final, Protocol, Self

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool

from holdwater.engine import Engine
from holdwater.errors import StoreReadOnly, TenantNotFound
from holdwater.model.records import RunFilter
from holdwater.operations.changes import DatabaseChanges
from holdwater.operations.databases import Database, open_for_control, open_for_reading
from holdwater.operations.graph_layouts import GraphLayouts
from holdwater.operations.runs import list_runs
from holdwater.runs.folded_runs import FoldedRuns
from holdwater.server.access import check_tenant
from holdwater.server.bulk_worker import BulkWorker
from holdwater.server.executed_packages import NO_PACKAGES, ExecutedPackages
from holdwater.server.streams.hub import StreamHub

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
    `streams`: of its runs.  `bulk_worker`: executes its bulk jobs.  `executed`: the packages
    that this process executes.
    """

    def __init__(self, tenant: str, database: Database, engine: Engine | None, resources: ExitStack) -> None:
        """Create it.  `engine`: None for a database that is only read.  `resources`: closed with it."""
        self.tenant, self.database = tenant, database
        self.folded_runs = FoldedRuns(database.store, database.clock)
        self.graph_layouts = GraphLayouts(database)
        self.maintenance = threading.Lock()
        """held while a request checks all runs, or deletes old ones"""
        self._engine, self._resources = engine, resources
        self.executed = NO_PACKAGES
        self.streams = StreamHub(database.runs, self.open_changes)
        self.bulk_worker = BulkWorker(engine)
        self.read_only_reason = "" if engine is not None else "This server only reads the database."
        """a sentence, if nothing can be changed; empty if it can"""
        self.server_url = ""
        """of the server that serves it, for command lines; "": commands use the database itself"""
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
    def of(
        cls,
        engine: Engine,
        *,
        read_only: bool = False,
        tenant: str = DEFAULT_TENANT,
        executed: ExecutedPackages = NO_PACKAGES,
    ) -> Self:
        """Use the engine of a runner, which stays the runner's to close."""
        opened = cls(tenant, Database.of(engine), None if read_only else engine, ExitStack())
        opened.executed = executed
        return opened

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

    def start(self) -> None:
        """Go on with what an earlier server has left."""
        self.bulk_worker.start()

    @property
    def is_busy(self) -> bool:
        """True while it has runs in hand, hosts, streams or bulk jobs: its engine is needed."""
        if self._engine is not None and self._engine.driver.active_runs:
            return True
        is_executing = self.executed.is_busy() or bool(self.executed.hosts())
        return is_executing or self.streams.stream_count > 0 or self.bulk_worker.is_busy

    def close_streams_soon(self) -> None:
        """Have its streams end; their clients connect again."""
        self.streams.close_soon()

    def end_work_soon(self) -> None:
        """Have its streams and what it executes end at once; its runs can go on elsewhere.  Idempotent."""
        self.streams.close_soon()
        if self._engine is not None:
            self._engine.close(0.0, wait=False)

    def close(self) -> None:
        """End its streams and bulk jobs, and close what was opened with it.  Idempotent."""
        self.streams.close_soon()
        self.bulk_worker.close()
        self._resources.close()


class Tenants(Protocol):
    """The tenants that an application serves."""

    @property
    def default(self) -> str:
        """The tenant of pages whose path names none."""
        ...

    @property
    def only(self) -> TenantDatabase | None:
        """The database, if there is just one."""
        ...

    def borrow(self, name: str) -> TenantDatabase:
        """Return the database of a tenant, which stays open until it is given back.  May block.

        Raises TenantNotFound, StoreUnavailable.
        """
        ...

    def borrow_awake(self, name: str) -> TenantDatabase | None:
        """Return the database as `borrow` does, None if that might block.  Raises TenantNotFound, RunnerClosed."""
        ...

    def names(self) -> Sequence[str]:
        """List the names of all tenants, in their order.  May block.  Raises StoreUnavailable."""
        ...

    def give_back(self, tenant: TenantDatabase) -> None:
        """End the use of a database by one request.  From any thread; does not block."""
        ...

    def check_ready(self) -> None:
        """Check that requests can be answered: the database is reachable.  Raises HoldwaterError."""
        ...

    def close_streams_soon(self) -> None:
        """Have all streams end, from any thread or a signal handler."""
        ...

    def start(self) -> None:
        """Begin to serve."""
        ...

    def close(self) -> None:
        """Close every database.  Idempotent."""
        ...


class OneTenant:
    """The tenants of an application that serves a single database."""

    def __init__(self, database: TenantDatabase) -> None:
        self.database = database

    @property
    def default(self) -> str:
        return self.database.tenant

    @property
    def only(self) -> TenantDatabase:
        return self.database

    def borrow(self, name: str) -> TenantDatabase:
        """Return the database.  Raises TenantNotFound for another name."""
        if name != self.database.tenant:
            raise TenantNotFound(f"there is no tenant {name!r} here", hint=f"this database is {self.database.tenant!r}")
        return self.database

    def borrow_awake(self, name: str) -> TenantDatabase:
        """Return the database.  Raises TenantNotFound for another name."""
        return self.borrow(name)

    def names(self) -> Sequence[str]:
        """List its name."""
        return (self.database.tenant,)

    def give_back(self, tenant: TenantDatabase) -> None:
        """Do nothing: the database is open as long as the application is."""

    def check_ready(self) -> None:
        """Read a row.  Raises StoreUnavailable."""
        list_runs(self.database.database.runs, RunFilter(limit=1), 1)

    def close_streams_soon(self) -> None:
        """Have all streams end."""
        self.database.streams.close_soon()

    def start(self) -> None:
        """Go on with what an earlier server has left."""
        self.database.start()

    def close(self) -> None:
        """Close the database.  Idempotent."""
        self.database.close()


BORROWED: Final = "holdwater.borrowed"
"""key of the borrowed database in the ASGI scope of a request; `RequestGuard` gives it back"""


def tenants_of(request: Request) -> Tenants:
    """Return the tenants of the application."""
    found: Tenants = request.app.state.tenants
    return found


async def current_tenant(
    request: Request, tenant: Annotated[str, Path(description="name of a tenant", examples=["acme"])]
) -> TenantDatabase:
    """Return the database of the tenant in the path, for endpoints, until the response is sent.

    Raises RequestError (403) for a caller without a role in it, whether or not there is such a tenant; TenantNotFound.
    """
    check_tenant(request, tenant)
    tenants = tenants_of(request)
    found = tenants.borrow_awake(tenant)
    if found is None:
        found = await run_in_threadpool(tenants.borrow, tenant)
    request.scope[BORROWED] = found
    return found


Tenant = Annotated[TenantDatabase, Depends(current_tenant)]
"""parameter of an endpoint below `/{tenant}`"""
