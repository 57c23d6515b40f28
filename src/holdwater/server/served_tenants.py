"""The tenants of a server: each has an engine of its own, made when it is needed, and ended when it is idle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Final

from holdwater.errors import HoldwaterError, RunnerClosed, StoreUnavailable, StoreUnusable, TenantUnavailable
from holdwater.model.next_work import NextWork
from holdwater.runtime.executors.budget import Budget
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.replicas import ReplicaTable
from holdwater.server.control.tenant_directory import TenantDirectory, TenantPlace
from holdwater.server.tenant_database import DEFAULT_TENANT, TenantDatabase
from holdwater.server.tenant_removals import TenantRemovals
from holdwater.service.tenants.engines import TenantEngines, WakeCause
from holdwater.service.tenants.hub import TenantHub
from holdwater.service.tenants.options import TenantEngineOptions
from holdwater.service.tenants.resources import TenantResources
from holdwater.storage import StoreOptions
from holdwater.storage.postgres.listener import ChannelListener
from holdwater.storage.postgres.next_work import NextWorkReader

MAX_DEAF_SECONDS: Final = 30.0
"""time without the connection that listens, after which the server is not ready"""
IDLE_CONNECTION_SECONDS: Final = 60.0
UPGRADE_HINT: Final = "`holdwater tenants upgrade` brings its tables and rights to this version"

logger = logging.getLogger("holdwater.tenants")

MakeTenant = Callable[[str, TenantResources], TenantDatabase]
"""Opens the database of a tenant with an engine that executes its work.

Called with the name and the resources to use, `resources.store_options` above all: they have the schema, the role and
the limits of connections.  The engine has the packages of the tenant and claims work when this returns.  Closing the
`TenantDatabase` closes all of it: engine, hosts, store (pass `ExitStack` callbacks as its `resources`).  Called and
closed from any thread, for one tenant never twice at a time.

Raises HoldwaterError: requests to this tenant get it, and others are not affected.
"""


class ServedTenants:
    """Many tenants; implements `Tenants`.  Thread-safe.

    `make_tenant`: see `MakeTenant`.  `address`: where this replica is reached.  `on_awake`: told why an engine was
    made.  Making it raises StoreUnavailable.
    """

    default: Final = DEFAULT_TENANT
    only: Final = None

    def __init__(
        self,
        control: ControlDatabase,
        make_tenant: MakeTenant,
        *,
        options: TenantEngineOptions | None = None,
        address: str = "",
        on_awake: Callable[[WakeCause], None] = lambda cause: None,
    ) -> None:
        self._make_tenant, self._options = make_tenant, options or TenantEngineOptions()
        self._directory: Final = TenantDirectory(control)
        self._reader: Final = NextWorkReader(control.server)
        self._replicas: Final = ReplicaTable(control, address)
        self.budget: Final = Budget(self._options.max_concurrent_tasks, self._options.tenant_max_concurrent)
        self._listener: Final = ChannelListener(control.server)
        self._engines: Final = TenantEngines(
            self._make, self._options.max_engines, self._options.idle_seconds, on_awake
        )
        self._hub: Final = TenantHub(self._engines, self, self._listener, self._replicas.own_id, control.clock)
        self._removals: Final = TenantRemovals(
            control, self._listener, self._replicas.own_id, self._engines.remove, self._hub.look_at_directory
        )
        self._is_closed = False

    # -- requests

    def borrow(self, name: str) -> TenantDatabase:
        """Return the database of a tenant, which stays open until it is given back.  May block.

        Raises TenantNotFound, TenantUnavailable, TenantWaking, StoreUnavailable, RunnerClosed.
        """
        return self._engines.borrow(name)

    def borrow_awake(self, name: str) -> TenantDatabase | None:
        """Return the database as `borrow` does, None if that might block.  Raises RunnerClosed."""
        return self._engines.borrow_awake(name)

    def give_back(self, tenant: TenantDatabase) -> None:
        """End the use of a database by one request.  Does not block."""
        self._engines.give_back(tenant.tenant, tenant)

    def names(self) -> list[str]:
        """List the names of all tenants, in their order.  Raises StoreUnavailable."""
        return sorted([place.name for place in self._directory.list()])

    def ending(self, name: str) -> AbstractContextManager[bool]:
        """Have no engine of a tenant in any replica while the block removes it; its value: there was one here.

        Its streams and hosts have ended, too.  It gets none before the block ends.  Entering it raises TenantNotFound,
        TenantUnavailable if it is being removed already, StoreUnavailable.
        """
        return self._removals.removing(name)

    def awake(self) -> list[str]:
        """Return the names of the tenants whose engines are awake in this process."""
        return self._engines.awake()

    def check_ready(self) -> None:
        """Check that the server's tables answer, and that tenants are listened to.  Raises StoreUnavailable."""
        self._directory.list()
        if self._listener.seconds_lost > MAX_DEAF_SECONDS and self._listener.is_started:
            raise StoreUnavailable("the channels of the tenants cannot be listened to")

    # -- the life of the process

    def start(self) -> None:
        """Begin to wake tenants when something is due."""
        self._hub.start()

    def start_draining(self) -> None:
        """Have the other replicas do the part of this one from now on."""
        self._replicas.is_draining = True
        self._hub.look_at_directory()

    def close_streams_soon(self) -> None:
        """Have all streams end."""
        for tenant in self._engines.engines():
            tenant.streams.close_soon()

    def close(self) -> None:
        """Close every database.  Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._hub.close()
        try:
            self._engines.close()
            self._replicas.leave()
        except StoreUnavailable:
            pass  # the others see that it is silent
        finally:
            self._removals.close()
            self._listener.close()
            self._reader.close()

    # -- what the hub asks for

    def beat(self, awake: Collection[str]) -> Sequence[str]:
        """Note that this replica lives; returns the ids of all that do.  Raises StoreUnavailable."""
        return self._replicas.beat(awake)

    def read_next(self, name: str) -> NextWork | None:
        """Read the next work of a tenant; None for `public` before its first use, which makes its tables.

        Raises TenantNotFound, StoreUnavailable, StoreError.
        """
        place = self._directory.find(name)
        try:
            return self._reader.read(place.schema, place.role)
        except StoreUnusable:
            if name == DEFAULT_TENANT and not self._reader.has_tables(place.schema, place.role):
                return None
            raise

    def _make(self, name: str) -> TenantDatabase:
        """Make the engine of a tenant.  Raises TenantNotFound, TenantUnavailable, StoreUnavailable."""
        place = self._directory.find(name)
        try:
            made = self._make_tenant(name, self._resources(place))
        except StoreUnusable as error:  # a role of a tenant may not change tables
            logger.warning("tenant %s cannot be served: %s", name, error)
            raise TenantUnavailable(
                f"tenant {name!r} cannot be served now: its tables are of an earlier version or its role lacks rights",
                hint=UPGRADE_HINT,
            ) from error
        except (StoreUnavailable, RunnerClosed):
            raise
        except HoldwaterError as error:
            raise TenantUnavailable(
                f"tenant {name!r} cannot be served now: {error.message}",
                hint=error.hint or UPGRADE_HINT,
            ) from error
        made.start()
        return made

    def _resources(self, place: TenantPlace) -> TenantResources:
        options = StoreOptions(
            schema=place.schema,
            role=place.role,
            pool_size=self._options.pool_size,
            idle_seconds=IDLE_CONNECTION_SECONDS,
            listener=self._listener,
        )
        return TenantResources(store_options=options, slot_share=self.budget.share(place.name))
