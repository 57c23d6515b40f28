"""The tenants whose engines are awake in this process, for health and metrics."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import RunnerClosed
from holdwater.model.time import seconds_between
from holdwater.server.executed_packages import ExecutedPackages
from holdwater.server.streams.hub import StreamHub
from holdwater.server.tenant_database import TenantDatabase

STUCK_AFTER_SECONDS: Final = 60.0
"""an engine that has not finished a turn for so long is stuck"""
ANSWER_SECONDS: Final = 1.0
"""longest wait for the answers of all engines together"""
MIN_ANSWER_SECONDS: Final = 0.01


class AwakeTenant:
    """A tenant that is awake."""

    def __init__(self, tenant: TenantDatabase) -> None:
        self._tenant: Final = tenant
        self.name: Final = tenant.tenant
        self.engine: Final[Engine] = tenant.engine

    @property
    def streams(self) -> StreamHub:
        """The streams of its runs."""
        return self._tenant.streams

    @property
    def executed(self) -> ExecutedPackages:
        """The packages it has here."""
        return self._tenant.executed

    def host_states(self) -> Mapping[str, int]:
        """Count its hosts by state."""
        return Counter([host.state for host in self.executed.hosts()])

    def schedule_lag_seconds(self) -> float:
        """Return the delay of its most urgent schedule; 0.0 if none is due.  Raises StoreError."""
        due = self.engine.store.next_due_at("cron", self.engine.registry.names())
        return 0.0 if due is None else max(0.0, seconds_between(due, self.engine.clock.now()))

    def release_states(self) -> Mapping[str, int]:
        """Count its releases by state."""
        return Counter([row.state for row in self.engine.store.list_releases() if row.state != "gone"])


class AwakeTenants:
    """Tenants from when their engines are made until these have ended in order.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: dict[str, AwakeTenant] = {}

    def add(self, tenant: TenantDatabase) -> None:
        """Add a tenant whose engine has just been made; it leaves when that is closed, and stays if that breaks."""
        one = AwakeTenant(tenant)
        with self._lock:
            self._tenants[one.name] = one
        one.engine.on_stop(lambda: self._remove(one))

    def _remove(self, one: AwakeTenant) -> None:
        if _failure(one.engine):
            return
        with self._lock:
            if self._tenants.get(one.name) is one:
                del self._tenants[one.name]

    def list(self) -> list[AwakeTenant]:
        """Return them by name."""
        with self._lock:
            return [self._tenants[name] for name in sorted(self._tenants)]

    def turn_ages(self) -> dict[str, float]:
        """Return the seconds since each engine has answered, by tenant; those that are closed or broken are left out.

        Blocks for up to `ANSWER_SECONDS`, if some do not answer.
        """
        give_up, ages = time.monotonic() + ANSWER_SECONDS, {}
        for one in self.list():
            try:
                wait_seconds = max(MIN_ANSWER_SECONDS, give_up - time.monotonic())
                ages[one.name] = one.engine.driver.seconds_since_answer(wait_seconds)
            except RunnerClosed:
                continue
        return ages

    def troubles(self) -> dict[str, str]:
        """Return what is wrong with engines, by tenant: "broken" after an error inside, or "stuck"."""
        found = {one.name: "broken" for one in self.list() if _failure(one.engine)}
        found |= {name: "stuck" for name, age in self.turn_ages().items() if age > STUCK_AFTER_SECONDS}
        return found


def _failure(engine: Engine) -> bool:
    """Return True if an error inside has ended the engine."""
    try:
        engine.driver.raise_if_closed()
    except RunnerClosed as error:
        return error.__cause__ is not None
    return False
