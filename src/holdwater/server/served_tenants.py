"""The tenants of a server: each has an engine of its own, made when it is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from holdwater.errors import RunnerClosed
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.tenant_directory import TenantDirectory, TenantPlace
from holdwater.server.tenant_database import DEFAULT_TENANT, TenantDatabase
from holdwater.service.tenants.resources import TenantResources
from holdwater.storage import StoreOptions

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

    `make_tenant`: see `MakeTenant`.  `pool_size`: connections of each.
    """

    default: Final = DEFAULT_TENANT
    only: Final = None

    def __init__(self, control: ControlDatabase, make_tenant: MakeTenant, *, pool_size: int = 2) -> None:
        self._control, self._make_tenant, self._pool_size = control, make_tenant, pool_size
        self._directory: Final = TenantDirectory(control)
        self._lock = threading.Lock()
        self._open: dict[str, TenantDatabase] = {}
        self._making: dict[str, threading.Lock] = {}
        self._is_closed = False

    def borrow(self, name: str) -> TenantDatabase:
        """Return the database of a tenant, which stays open until it is given back.  May block.

        Raises TenantNotFound, StoreUnavailable, RunnerClosed.
        """
        with self._lock:
            found = self._open.get(name)
            making = self._making.setdefault(name, threading.Lock())
        if found is not None:
            return found
        with making:
            if name in self._open:
                return self._open[name]
            if self._is_closed:
                raise RunnerClosed("this server is shutting down")
            place = self._directory.find(name)
            made = self._make_tenant(name, self._resources(place))
            made.start()
            with self._lock:
                self._open[name] = made
            return made

    def names(self) -> list[str]:
        """List the names of all tenants, in their order.  Raises StoreUnavailable."""
        return sorted([place.name for place in self._directory.list()])

    def give_back(self, tenant: TenantDatabase) -> None:
        """End the use of a database by one request.  Does not block."""

    def remove(self, name: str) -> None:
        """End the engine of a tenant, its streams and hosts, before its schema is dropped."""
        with self._lock:
            found = self._open.pop(name, None)
        if found is not None:
            found.close()

    @contextmanager
    def ending(self, name: str) -> Iterator[bool]:
        """End the engine of a tenant that is about to be removed; its value: there was one."""
        was_awake = name in self.awake()
        self.remove(name)
        yield was_awake

    def awake(self) -> list[str]:
        """Return the names of the tenants whose engines are awake in this process."""
        with self._lock:
            return sorted(self._open)

    def check_ready(self) -> None:
        """Check that the server's tables answer.  Raises StoreUnavailable."""
        self._directory.list()

    def close_streams_soon(self) -> None:
        """Have all streams end."""
        with self._lock:
            tenants = list(self._open.values())
        for tenant in tenants:
            tenant.streams.close_soon()

    def start(self) -> None:
        """Begin to serve."""

    def close(self) -> None:
        """Close every database.  Idempotent."""
        self._is_closed = True
        with self._lock:
            tenants, self._open = list(self._open.values()), {}
        closing = [threading.Thread(target=tenant.close, name="holdwater-drain") for tenant in tenants]
        for thread in closing:  # each has its time for running functions
            thread.start()
        for thread in closing:
            thread.join()

    def _resources(self, place: TenantPlace) -> TenantResources:
        return TenantResources(store_options=StoreOptions(schema=place.schema, pool_size=self._pool_size))
