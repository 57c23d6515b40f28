"""Liveness and readiness of an application: the reasons against them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from holdwater.errors import HoldwaterError
from holdwater.server.awake_tenants import AwakeTenants
from holdwater.server.tenant_database import Tenants

logger = logging.getLogger("holdwater.server")

UNREACHABLE: Final = "database unreachable"
DRAINING: Final = "draining"


class HealthChecks(Protocol):
    """Checks of an application.  Both may block, and return a reason, "" if all is well."""

    def find_trouble(self) -> str:
        """Return why the process should be started anew."""
        ...

    def find_obstacle(self) -> str:
        """Return why requests cannot be answered now."""
        ...


class TenantsHealth:
    """Health of an application whose engines are not its own."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def find_trouble(self) -> str:
        """Return "": nothing of it can break."""
        return ""

    def find_obstacle(self) -> str:
        """Return a reason if the database cannot be reached."""
        try:
            self._tenants.check_ready()
        except HoldwaterError:
            return UNREACHABLE
        return ""


class ServerHealth:
    """Health of a server.  `is_draining`: it ends, and takes no more requests."""

    def __init__(self, tenants: Tenants, awake: AwakeTenants) -> None:
        self._tenants, self._awake = TenantsHealth(tenants), awake
        self.is_draining = False

    def find_trouble(self) -> str:
        """Return a reason if an engine is broken or stuck; its tenant is named in the log alone."""
        if self.is_draining:
            return ""
        troubles = self._awake.troubles()
        for tenant, trouble in troubles.items():
            logger.error("the engine of tenant %s is %s", tenant, trouble)
        words = sorted(set(troubles.values()))
        return f"engines of {len(troubles)} tenants are {' or '.join(words)}" if troubles else ""

    def find_obstacle(self) -> str:
        """Return a reason if it is draining, or the database cannot be reached."""
        return DRAINING if self.is_draining else self._tenants.find_obstacle()


class SharedCheck:
    """Runs a check in a thread, one at a time: who asks while one is under way waits for that."""

    def __init__(self, check: Callable[[], str]) -> None:
        self._check = check
        self._running: asyncio.Future[str] | None = None

    async def run(self, limit_seconds: float) -> str:
        """Return the result of the check.  Raises TimeoutError; the check goes on."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(asyncio.to_thread(self._check))
        async with asyncio.timeout(limit_seconds):
            return await asyncio.shield(self._running)
